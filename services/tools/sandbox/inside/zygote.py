"""The process that calls are forked from: it has loaded what they need, and knows nothing.

It has one thread, no environment, and no descriptors but the socket that says when to fork; no job passes through it.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.tools.sandbox.inside import kernel, landlock, namespaces, seccomp
from services.tools.sandbox.inside.isolation import Ends, Isolation
from services.tools.sandbox.inside.keeper import keep
from services.tools.sandbox.job import UNPRIVILEGED_ID, Limits
from services.tools.sandbox.layers import Layers

# What tools use most, beside what is loaded anyway.
MODULES = ("asyncio", "datetime", "decimal", "math", "random", "re", "subprocess", "tempfile", "uuid")
HEAPS = 2  # of a call's process; more would take the addresses that it may have, before it has many threads
MESSAGE_BYTES = 4096  # bytes; one path
ALL = tuple(namespaces.FLAGS)
CHOICES = (ALL, tuple(name for name in ALL if name != "mount"))  # inside some containers the kernel refuses mounts


def main() -> None:
    """Serves until the socket closes. Arguments: the folder of our modules, and settings as JSON."""
    sys.path.remove(sys.argv[1])
    sys.executable = os.path.realpath(sys.executable)  # calls do not have the virtual environment
    settings: dict[str, Any] = json.loads(sys.argv[2])  # Any: JSON
    sys.argv = [""]
    control = _take_over_stdin()
    packages = Path(settings["packages"])
    readable = namespaces.readable_paths(packages, [*settings["path"], *settings["readable"]])
    chosen: tuple[str, ...] = next((names for names in CHOICES if _works(names, settings["root"], readable)), ())
    is_root = os.getuid() == 0
    own = _prepare(chosen, settings["root"], readable)
    layers = Layers(chosen, landlock.find_version(), seccomp.is_available())
    if not settings["program"]:
        _load(packages, settings["path"])
    _forget_ourselves()
    control.send(json.dumps(asdict(layers)).encode())
    processes = ["/proc"] if "mount" in chosen else []  # it shows those of the call alone
    isolation = Isolation(
        layers,
        [*readable, *processes],
        filter=seccomp.assemble(layers, network=False, has_own_user=is_root) if layers.seccomp else b"",
        network_filter=seccomp.assemble(layers, network=True, has_own_user=is_root) if layers.seccomp else b"",
        limits=Limits(**settings["limits"]),
        program=settings["program"],
    )
    _serve(control, own, isolation)


def _take_over_stdin() -> socket.socket:
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return control


def _works(names: tuple[str, ...], root: str, readable: list[str]) -> bool:
    """Tries a choice of namespaces in a child, up to where a call would be shut in."""
    result, answer = os.pipe()
    if os.fork() == 0:
        try:
            if (pid := namespaces.fork(_prepare(names, root, readable))) > 0:
                os.waitpid(pid, 0)
            else:
                if "mount" in names:
                    namespaces.mount_own_files(folder_bytes=4096)
                os.write(answer, b"1")
        except OSError as exc:
            print(f"A sandbox with {' '.join(names)} does not work here: {exc}", file=sys.stderr)
        finally:
            os._exit(0)
    os.close(answer)
    with os.fdopen(result, "rb") as pipe:
        return bool(pipe.read())


def _prepare(names: tuple[str, ...], root: str, readable: list[str]) -> int | None:
    """Does ahead what is the same for every call: namespaces, a root with just what calls may read, no rights of root.

    Goes on in a child, as the first in its namespace of processes, and returns a descriptor of that.
    """
    if os.getuid() == 0:
        if "mount" in names:
            namespaces.enter(("mount",))
            namespaces.change_root(root, readable)
        _become_nobody()
        namespaces.enter(names)
    else:
        namespaces.enter(names)
        if "mount" in names:
            namespaces.change_root(root, readable)
    if "pid" not in names:
        return None
    if (pid := os.fork()) > 0:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    os.setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root, and there we map our user


def _load(packages: Path, path: list[str]) -> None:
    """Imports ahead of the calls what they all share. `path`: folders of packages of this zygote's own.

    None of the latter is imported here, where their code would be free: each call does, once it is shut in. So what
    they bring in place of ours is not loaded either.
    """
    library = os.path.dirname(os.__file__)
    if not os.access(library, os.R_OK):
        sys.exit(f"Tools run as user {os.getuid()} here, who cannot read the library of Python: {library}")
    for name in MODULES:
        importlib.import_module(name)
    brought = {one.stem for folder in path for one in Path(folder).iterdir()}
    if brought.isdisjoint(one.stem for one in packages.iterdir()):
        sys.path.append(str(packages))
        importlib.import_module("pydantic").create_model("First")  # looks for plugins, once
        sys.path.remove(str(packages))
    sys.path += [*path, str(packages)]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # so that what is printed can be followed
    kernel.share_heaps(HEAPS)
    gc.collect()
    gc.freeze()  # spares children copies of the pages that collections would write to


def _forget_ourselves() -> None:
    """Leaves the code of tools no module of ours to import; what runs here goes on."""
    for name in [name for name in sys.modules if name.split(".")[0] == "services"]:
        del sys.modules[name]


def _serve(control: socket.socket, own: int | None, isolation: Isolation) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that the kernel forgets keepers that ended
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, len(Ends._fields), socket.MSG_CMSG_CLOEXEC)
        if not message:
            return
        try:
            is_keeper = namespaces.fork(own) == 0
        except OSError:  # no more processes; the service sees the lifeline close
            is_keeper = False
        if is_keeper:
            control.close()
            if own is not None:
                os.close(own)
            try:
                keep(Ends(*descriptors), message.decode(), isolation)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
