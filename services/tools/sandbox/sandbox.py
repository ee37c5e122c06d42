"""Sandboxes of calls: forked from a process that has all loaded, used once, and only so many at a time."""

import asyncio
import logging
import os
import shutil
import sysconfig
import tempfile
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

from services.tools.sandbox.job import Event, Failed, Job, Limits
from services.tools.sandbox.layers import Layers
from services.tools.sandbox.process import ToolProcess
from services.tools.sandbox.zygote import CannotStart, Zygote

SPARES = 2  # calls forked ahead of need, each for one use: a call that comes alone takes half the time
log = logging.getLogger(__name__)

# What tools can import beside the standard library: pydantic and what it needs.
PACKAGES = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions.py", "typing_inspection")


class Sandbox:
    """Runs calls, each shut in a process of its own with a deadline: see docs/security.md.

    `allows_too_few_layers`: tools run also where the machine has neither Landlock nor namespaces, or no seccomp.
    """

    def __init__(self, limits: Limits, *, concurrency: int, allows_too_few_layers: bool = False) -> None:
        self._limits = limits
        self._allows_too_few_layers = allows_too_few_layers
        self._slots = asyncio.Semaphore(concurrency)
        self._starting = asyncio.Lock()
        self._zygote: Zygote | None = None
        self._spares: deque[ToolProcess] = deque()
        self._spares_wanted = SPARES
        self._forks: set[asyncio.Task[None]] = set()
        self._folder = Path(tempfile.mkdtemp(prefix="perdure-tools-"))
        self._packages = _link_packages(self._folder / "packages")
        for name in ("root", "calls"):
            (self._folder / name).mkdir()
        os.chmod(self._folder, 0o711)  # noqa: S103  # calls of root run as another user

    async def start(self) -> Layers:
        """Starts what calls are forked from, unless it runs: the layers that they have. Raises `CannotStart`."""
        layers = (await self._running()).layers
        self._fork_ahead()
        return layers

    async def run(self, job: Job) -> AsyncGenerator[Event, None]:
        """What the job prints, as it prints it, and last a `Returned` or `Failed`. Leaving the loop kills the job."""
        async with self._slots:
            try:
                process = await self._take()
            except (CannotStart, OSError) as exc:
                yield Failed(f"SandboxUnavailable: {exc}")
                return
            try:
                async with aclosing(process.run(job)) as events:
                    async for event in events:
                        yield event
            finally:
                self._fork_ahead()  # not before, as forking takes the processor from the call

    async def close(self) -> None:
        """Ends what calls are forked from, and removes every folder."""
        self._spares_wanted = 0
        await asyncio.gather(*self._forks)
        await asyncio.gather(*(spare.close() for spare in self._spares))
        if self._zygote:
            await self._zygote.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _fork_ahead(self) -> None:
        for _ in range(self._spares_wanted - len(self._spares) - len(self._forks)):
            fork = asyncio.create_task(self._fork_spare())
            self._forks.add(fork)
            fork.add_done_callback(self._forks.discard)

    async def _fork_spare(self) -> None:
        with suppress(CannotStart, OSError):  # a call that needs one tries again, and says so
            self._spares.append(await self._fork())

    async def _take(self) -> ToolProcess:
        while self._spares:
            spare = self._spares.popleft()
            if spare.is_alive:
                return spare
            await spare.close()
        return await self._fork()

    async def _fork(self) -> ToolProcess:
        zygote = await self._running()
        if not self._takes(zygote.layers):
            raise CannotStart(
                f"this machine cannot shut tools in ({zygote.layers}). They need seccomp, and Landlock or namespaces; "
                "PERDURE_ALLOW_UNSANDBOXED_TOOLS=1 runs them all the same"
            )
        return await ToolProcess.start(zygote, self._folder / "calls", self._limits)

    def _takes(self, layers: Layers) -> bool:
        return layers.are_enough or self._allows_too_few_layers

    async def _running(self) -> Zygote:
        async with self._starting:
            if self._zygote and not self._zygote.is_alive:
                log.error("The process that tools are forked from ended; starting another")
                await self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                self._zygote = await self._start()
            return self._zygote

    async def _start(self) -> Zygote:
        try:
            zygote = await Zygote.start(self._packages, self._folder / "root", self._limits)
        except CannotStart as exc:
            log.error("Tools cannot run: %s", exc)
            raise
        level, end = (logging.INFO, "") if zygote.layers.are_enough else (logging.WARNING, ": too few")
        log.log(level, "Layers of the sandbox of tools: %s%s", zygote.layers, end)
        return zygote


def _link_packages(folder: Path) -> Path:
    """A folder with just the packages that tools may import."""
    folder.mkdir()
    installed = Path(sysconfig.get_path("platlib"))
    for name in PACKAGES:
        (folder / name).symlink_to(installed / name)
    return folder
