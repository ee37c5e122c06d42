"""The keeper of a call: it stays outside of what shuts the tool in, and ends the call."""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from services.tools.sandbox.inside import call, kernel, memory, namespaces
from services.tools.sandbox.inside.connections import Connections
from services.tools.sandbox.inside.isolation import Ends, Isolation

STATUS_BYTES = 4  # of the exit code, big-endian with a sign
OUT_OF_MEMORY = 256  # told instead of an exit code: these are smaller
MEMORY_CHECK_S = 0.25  # seconds; in that time two processors fill half a gibibyte
FIRST_TO_GO = "1000"  # of oom_score_adj: when memory runs out, calls end before anything else does


def keep(ends: Ends, folder: str, isolation: Isolation) -> None:
    """Runs a call in a child, and tells its exit code. Kills it when nobody wants it any more.

    In a namespace of processes this is the first one: when it ends, in whatever way, the kernel kills the others.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    has = isolation.layers.namespaces
    ours, theirs = socket.socketpair()
    try:
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
        if "mount" in has:
            namespaces.mount_own_files(isolation.limits.folder_bytes)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # the tool has the same user, and is not to look into us
        pid = os.fork()
    except OSError as exc:
        call.send(ends.result, {"error": f"SandboxUnavailable: {exc}"})
        return
    if pid == 0:
        ours.close()
        call.run(ends, folder, isolation, theirs)
    theirs.close()
    for descriptor in ends[1:4]:
        os.close(descriptor)
    code = _end_of(pid, ends, ours, isolation)
    with suppress(OSError):  # the service has gone
        os.write(ends.lifeline, code.to_bytes(STATUS_BYTES, "big", signed=True))


def _end_of(pid: int, ends: Ends, tool: socket.socket, isolation: Isolation) -> int:
    """The exit code of the tool's process, once nothing of the call is left."""
    has_own_processes = "pid" in isolation.layers.namespaces
    connections = _connections(ends, tool)
    fits = _watch(
        pid,
        ends.lifeline,
        connections,
        is_too_much=lambda: memory.is_above(isolation.limits.memory_bytes, None if has_own_processes else pid),
    )
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
    return os.waitstatus_to_exitcode(status) if fits else OUT_OF_MEMORY


def _connections(ends: Ends, tool: socket.socket) -> Connections | None:
    """Waits for the listener of a call that has the network; None comes from one that ended before."""
    if ends.connections is None:
        return None
    _, listener, _, _ = socket.recv_fds(tool, 1, 1)
    return Connections(listener[0], socket.socket(fileno=ends.connections)) if listener else None


def _watch(pid: int, lifeline: int, connections: Connections | None, *, is_too_much: Callable[[], bool]) -> bool:
    """Waits until the tool's process ends or is to end; false: because its processes use too much memory."""
    process = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(lifeline, select.POLLRDHUP)
    poll.register(process, select.POLLIN)
    if connections:
        connections.watch(poll)
    checked_at = time.monotonic()
    while True:
        ready = dict(poll.poll(MEMORY_CHECK_S * 1000))
        if lifeline in ready or process in ready:
            return True
        if connections:
            connections.serve(ready)
        if time.monotonic() - checked_at >= MEMORY_CHECK_S:
            if is_too_much():
                return False
            checked_at = time.monotonic()
