"""The tool's process: it gives up what it must not have, and runs one call."""

import json
import os
import signal
import socket
from typing import Any

from services.tools.sandbox.inside import bpf, kernel, landlock, namespaces, resources, runner
from services.tools.sandbox.inside.isolation import Ends, Isolation

HEADER_BYTES = 4  # before the job and before the result: how long it is, big-endian
NAMES_OVER_TCP = "use-vc"  # of RES_OPTIONS, see resolv.conf(5): calls have no other sockets


def run(ends: Ends, folder: str, isolation: Isolation, keeper: socket.socket) -> None:
    """Does not return."""
    try:
        answer = _answer(ends, folder, isolation, keeper)
        send(ends.result, answer)
    finally:
        os._exit(0)


def send(result: int, answer: runner.Answer) -> None:
    """Tells how the call ended."""
    data = json.dumps(answer).encode()
    with os.fdopen(result, "wb") as pipe:
        pipe.write(len(data).to_bytes(HEADER_BYTES, "big") + data)


def _answer(ends: Ends, folder: str, isolation: Isolation, keeper: socket.socket) -> runner.Answer:
    try:
        _shut_in(ends, folder, isolation)
        _filter(ends, isolation, keeper)
        keeper.close()
        os.environ.clear()
        os.environ.update(PATH=os.defpath, LANG="C.UTF-8", HOME=folder, TMPDIR=folder)
        if ends.connections is not None:
            os.close(ends.connections)
            os.environ["RES_OPTIONS"] = NAMES_OVER_TCP
        if isolation.program:
            _execute(isolation.program, ends)
        job = _read_job(ends.lifeline)
    except OSError as exc:
        return {"error": f"SandboxUnavailable: {exc}"}
    return runner.run(job)


def _shut_in(ends: Ends, folder: str, isolation: Isolation) -> None:
    """Gives up, step by step, what the tool must not have. What a later step needs is still there in an earlier one."""
    layers = isolation.layers
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else what is ours in /proc belongs to root
    os.setsid()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(ends.stdout, 1)
    os.dup2(ends.stderr, 2)
    os.close(ends.stdout)
    os.close(ends.stderr)
    os.chdir(folder)
    if "user" in layers.namespaces:
        kernel.unshare(namespaces.FLAGS["user"])  # one of its own, in which its processes are counted
    resources.restrict(
        isolation.limits, counts_apart="user" in layers.namespaces, limits_addresses=not isolation.program
    )
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if layers.landlock:
        landlock.restrict(layers.landlock, isolation.readable, folder)


def _filter(ends: Ends, isolation: Isolation, keeper: socket.socket) -> None:
    """Raises OSError where a call is to have the network and nothing would guard its connections."""
    if ends.connections is not None:
        if not isolation.layers.seccomp:
            raise OSError("this machine has no seccomp, without which a tool cannot be given the network")
        listener = bpf.restrict(isolation.network_filter, listen=True)
        socket.send_fds(keeper, [b"l"], [listener])
        os.close(listener)
    elif isolation.layers.seccomp:
        bpf.restrict(isolation.filter)


def _execute(program: list[str], ends: Ends) -> None:
    """Goes on as another program, which reads the job and sends the result."""
    for descriptor in (ends.lifeline, ends.result):
        os.set_inheritable(descriptor, True)  # noqa: FBT003  # its only form
    os.execv(program[0], [*program, str(ends.lifeline), str(ends.result)])  # noqa: S606  # of our own settings


def _read_job(lifeline: int) -> dict[str, Any]:  # Any: JSON
    with os.fdopen(lifeline, "rb") as requests:
        length = int.from_bytes(requests.read(HEADER_BYTES), "big")
        job: dict[str, Any] = json.loads(requests.read(length))
    return job
