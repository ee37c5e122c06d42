"""One child process of the stack: started, watched, restarted, stopped."""

import asyncio
import ctypes
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STOP_TIMEOUT_S = 15.0  # seconds a process has to stop by itself before it is killed
FIRST_BACKOFF_S = 0.25  # seconds before the first restart; doubles with each restart that does not last
LAST_BACKOFF_S = 5.0  # seconds
STABLE_AFTER_S = 5.0  # seconds of life after which a process counts as healthy again: longer than any start
POLL_S = 0.05  # seconds between two looks at whether a process is ready
LOG_LIMIT_BYTES = 10 * 1024 * 1024  # a longer log is set aside at the next start
PR_SET_PDEATHSIG = 1  # prctl(2)

Report = Callable[[str], None]

_libc = ctypes.CDLL(None)


class StartFailed(Exception):
    """The stack cannot start; the message is one sentence for the user."""


@dataclass(frozen=True)
class Command:
    """What to run, and how it is told to stop."""

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    directory: Path | None = None  # None: our own
    user: tuple[int, int] | None = None  # uid and gid to run as; None: our own
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL  # what the kernel sends when this process dies first

    async def spawn(self) -> asyncio.subprocess.Process:
        """Starts it in a process group of its own, so that Ctrl-C in the terminal reaches only us.

        To be called from the main thread: the kernel ties `orphan_signal` to the thread that forks.
        """
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.arguments,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                env=self.environment,
                cwd=self.directory,
                start_new_session=True,
                **self._identity(),
                preexec_fn=self._die_with_parent(os.getpid()),
            )

    async def run(self) -> int:
        """Runs it to its end and returns the exit code."""
        process = await self.spawn()
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()

    def last_line(self) -> str:
        """The end of its log, for error messages."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1] if lines else "no output"

    def _identity(self) -> dict[str, Any]:  # Any: keyword arguments of different types
        return {"user": self.user[0], "group": self.user[1], "extra_groups": []} if self.user else {}

    def _die_with_parent(self, parent: int) -> Callable[[], None]:
        def prepare_child() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, self.orphan_signal)
            if os.getppid() != parent:
                os._exit(1)

        return prepare_child


class Process:
    """A command that is kept running from `start` to `stop`."""

    def __init__(self, command: Command, report: Report) -> None:
        self.command = command
        self._report = report
        self._child: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The id of the process that runs now, or ran last."""
        assert self._child is not None, f"{self.command.name} was not started"
        return self._child.pid

    async def start(self) -> None:
        """Starts it; `StartFailed` when it cannot even be executed."""
        rotate(self.command.log)
        try:
            self._child = await self.command.spawn()
        except OSError as exc:
            raise StartFailed(f"{self.command.name} cannot be started: {exc}.") from exc

    def check_alive(self) -> None:
        """Raises `StartFailed` if the process has ended."""
        if self._child is not None and self._child.returncode is not None:
            raise StartFailed(
                f"{self.command.name} {ending(self._child.returncode)} while starting: "
                f"{self.command.last_line()} (log: {self.command.log})"
            )

    def keep_running(self) -> None:
        """From now on, restarts the process whenever it ends."""
        self._watch = asyncio.create_task(self._restart_forever(), name=f"watch {self.command.name}")

    async def stop(self) -> None:
        """Ends it, by force when it does not stop in time."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        if self._child is None or self._child.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._child.send_signal(self.command.stop_signal)
        try:
            await asyncio.wait_for(self._child.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            os.killpg(self._child.pid, signal.SIGKILL)
            await self._child.wait()

    async def _restart_forever(self) -> None:
        clock = asyncio.get_running_loop().time
        backoff_s = FIRST_BACKOFF_S
        while self._child is not None:
            started = clock()
            code = await self._child.wait()
            if clock() - started > STABLE_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            self._report(
                f"{self.command.name} {ending(code)}; its log is {self.command.log}; restarting in {backoff_s:g} s."
            )
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)
            try:
                await self.start()
            except StartFailed as exc:
                self._report(str(exc))


async def wait_until(is_ready: Callable[[], Awaitable[bool]], processes: Sequence[Process], timeout_s: float) -> None:
    """Waits for new processes to be ready; `StartFailed` if one of them ends or they take too long."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await is_ready():
        for process in processes:
            process.check_alive()
        if asyncio.get_running_loop().time() > deadline:
            names = ", ".join(process.command.name for process in processes)
            logs = processes[0].command.log.parent
            raise StartFailed(f"Not ready after {timeout_s:g} s: {names}. Their logs are in {logs}.")
        await asyncio.sleep(POLL_S)


def ending(code: int) -> str:
    """How a process ended, in words."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def rotate(log: Path) -> None:
    """Sets a long log aside; the one before it is dropped."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old.log"))
