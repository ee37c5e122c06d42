"""One call: the tool's process, shut in, and its keeper, which stays outside to end it."""

import json
import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from services.tools.sandbox.inside import kernel, landlock, namespaces, resources, runner, seccomp
from services.tools.sandbox.job import Limits
from services.tools.sandbox.layers import Layers

HEADER_BYTES = 4
STATUS_BYTES = 4
FIRST_TO_GO = "1000"  # of oom_score_adj: when memory runs out, calls end before anything else does


class Ends(NamedTuple):
    """Descriptors of a call. The lifeline brings the job, then the exit code back; the call ends when it closes."""

    lifeline: int
    stdout: int
    stderr: int
    result: int


@dataclass(frozen=True)
class Isolation:
    """What a call is shut in with; `filter` is the program of seccomp."""

    layers: Layers
    readable: list[str]
    filter: bytes
    limits: Limits


def keep(ends: Ends, folder: str, isolation: Isolation) -> None:
    """Runs a call in a child, and tells its exit code. Kills it when nobody wants it any more.

    In a namespace of processes this is the first one: when it ends, in whatever way, the kernel kills the others.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    has = isolation.layers.namespaces
    try:
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
        if "mount" in has:
            namespaces.mount_own_files(isolation.limits.folder_bytes)
        pid = os.fork()
    except OSError as exc:
        _send(ends.result, {"error": f"SandboxUnavailable: {exc}"})
        return
    if pid == 0:
        _run_tool(ends, folder, isolation)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # the tool has the same user, and is not to look into us
    for descriptor in ends[1:]:
        os.close(descriptor)
    code = _end_of(pid, ends.lifeline, has_own_processes="pid" in has)
    with suppress(OSError):  # the service has gone
        os.write(ends.lifeline, code.to_bytes(STATUS_BYTES, "big", signed=True))


def _end_of(pid: int, lifeline: int, *, has_own_processes: bool) -> int:
    """The exit code of the tool's process, once nothing of the call is left."""
    poll = select.poll()
    poll.register(lifeline, select.POLLRDHUP)
    poll.register(os.pidfd_open(pid), select.POLLIN)
    poll.poll()
    os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):  # it may have been alone
        if has_own_processes:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(ChildProcessError):
        while True:
            os.wait()  # children that lost their parent are the first process's
    return os.waitstatus_to_exitcode(status)


def _run_tool(ends: Ends, folder: str, isolation: Isolation) -> None:
    """Does not return."""
    try:
        answer = _answer(ends, folder, isolation)
        _send(ends.result, answer)
    finally:
        os._exit(0)


def _answer(ends: Ends, folder: str, isolation: Isolation) -> runner.Answer:
    try:
        _shut_in(ends, folder, isolation)
        job = _read_job(ends.lifeline)
    except OSError as exc:
        return {"error": f"SandboxUnavailable: {exc}"}
    os.environ.clear()
    os.environ.update(PATH=os.defpath, LANG="C.UTF-8", HOME=folder, TMPDIR=folder)
    return runner.run(job)


def _shut_in(ends: Ends, folder: str, isolation: Isolation) -> None:
    """Gives up, step by step, what the tool must not have. What a later step needs is still there in an earlier one."""
    layers = isolation.layers
    os.setsid()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(ends.stdout, 1)
    os.dup2(ends.stderr, 2)
    os.close(ends.stdout)
    os.close(ends.stderr)
    os.chdir(folder)
    if "user" in layers.namespaces:
        kernel.unshare(namespaces.FLAGS["user"])  # one of its own, in which its processes are counted
    resources.restrict(isolation.limits, counts_apart="user" in layers.namespaces)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if layers.landlock:
        landlock.restrict(layers.landlock, isolation.readable, folder)
    if layers.seccomp:
        seccomp.restrict(isolation.filter)


def _read_job(lifeline: int) -> dict[str, Any]:  # Any: JSON
    with os.fdopen(lifeline, "rb") as requests:
        length = int.from_bytes(requests.read(HEADER_BYTES), "big")
        job: dict[str, Any] = json.loads(requests.read(length))
    return job


def _send(result: int, answer: runner.Answer) -> None:
    data = json.dumps(answer).encode()
    with os.fdopen(result, "wb") as pipe:
        pipe.write(len(data).to_bytes(HEADER_BYTES, "big") + data)
