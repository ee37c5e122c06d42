"""Sandboxes of calls: started ahead of need, used once, and only so many at a time."""

import asyncio
import os
import shutil
import sysconfig
import tempfile
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import orjson

from services.tools.sandbox.job import Event, Job, Limits
from services.tools.sandbox.process import ToolProcess

# What tools can import beside the standard library: pydantic and what it needs.
PACKAGES = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions.py", "typing_inspection")


class Sandbox:
    """Runs calls, each in a process of its own: clean environment, private folder, rlimits, deadline."""

    def __init__(self, limits: Limits, *, concurrency: int, idle: int) -> None:
        self._limits = limits
        self._rlimits = _rlimits(limits)
        self._slots = asyncio.Semaphore(concurrency)
        self._idle: deque[ToolProcess] = deque()
        self._idle_wanted = idle
        self._starts: set[asyncio.Task[None]] = set()
        self._root = Path(tempfile.mkdtemp(prefix="perdure-tools-"))
        self._packages = _link_packages(self._root / "packages")

    async def run(self, job: Job) -> AsyncGenerator[Event, None]:
        """What the job prints, as it prints it, and last a `Returned` or `Failed`. Leaving the loop kills the job."""
        async with self._slots:
            process = await self._take()
            try:
                async with aclosing(process.run(job)) as events:
                    async for event in events:
                        yield event
            finally:
                self.start_ahead()  # not before, as starting takes the processor from the call

    def start_ahead(self) -> None:
        """Starts processes until enough wait."""
        for _ in range(self._idle_wanted - len(self._idle) - len(self._starts)):
            start = asyncio.create_task(self._start_idle())
            self._starts.add(start)
            start.add_done_callback(self._starts.discard)

    async def close(self) -> None:
        """Ends the waiting processes and removes every folder."""
        self._idle_wanted = 0
        await asyncio.gather(*self._starts)
        await asyncio.gather(*(process.close() for process in self._idle))
        await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)

    async def _take(self) -> ToolProcess:
        while self._idle:
            process = self._idle.popleft()
            if process.is_alive:
                return process
            await process.close()
        return await self._start()

    async def _start_idle(self) -> None:
        self._idle.append(await self._start())

    async def _start(self) -> ToolProcess:
        return await ToolProcess.start(self._root, self._packages, self._limits, self._rlimits)


def _link_packages(folder: Path) -> Path:
    """A folder with just the packages that tools may import."""
    folder.mkdir()
    installed = Path(sysconfig.get_path("platlib"))
    for name in PACKAGES:
        (folder / name).symlink_to(installed / name)
    return folder


def _rlimits(limits: Limits) -> str:
    """The limits of the kernel by name, as JSON: see setrlimit(2)."""
    return orjson.dumps(
        {
            "RLIMIT_CPU": int(limits.timeout_s) + 1,
            "RLIMIT_AS": limits.memory_bytes,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_NPROC": _threads_of_user() + limits.processes,
            "RLIMIT_CORE": 0,
        }
    ).decode()


def _threads_of_user() -> int:
    """How many threads our user has: RLIMIT_NPROC counts them all."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == os.getuid():
                count += sum(1 for _ in (process / "task").iterdir())
        except OSError:
            continue  # it has ended
    return count
