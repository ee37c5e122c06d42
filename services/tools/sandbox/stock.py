"""Processes for the calls of one set of packages."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from services.tools.sandbox.layers import Layers
from services.tools.sandbox.process import ToolProcess
from services.tools.sandbox.zygote import CannotStart, Settings, Zygote

SPARES = 2  # calls forked ahead of need, each for one use: a call that comes alone takes half the time
SPARE_PROGRAMS = 1  # the same, where each is a program of its own: Node with its compiler takes 100 MiB
log = logging.getLogger(__name__)


class Stock:
    """Forks calls from a zygote, some ahead of need. A zygote that dies takes its own calls with it, and is replaced.

    `calls`: where calls that cannot have a root of their own get their folders. `allows_too_few_layers`: see `Sandbox`.
    """

    def __init__(self, settings: Settings, calls: Path, *, allows_too_few_layers: bool) -> None:
        self._settings = settings
        self._calls = calls
        self._allows_too_few_layers = allows_too_few_layers
        self._starting = asyncio.Lock()
        self._zygote: Zygote | None = None
        self._spares: deque[ToolProcess] = deque()
        self._spares_wanted = SPARE_PROGRAMS if settings.program else SPARES
        self._forks: set[asyncio.Task[None]] = set()

    @property
    def layers(self) -> Layers | None:
        """The layers that calls have; None before it has started."""
        return self._zygote.layers if self._zygote else None

    async def start(self) -> Layers:
        """Starts what calls are forked from, unless it runs: the layers that they have. Raises `CannotStart`."""
        layers = (await self._running()).layers
        self._fork_ahead()
        return layers

    @asynccontextmanager
    async def process(self, *, network: bool) -> AsyncIterator[ToolProcess]:
        """A process for one call. Raises `CannotStart`, OSError."""
        process = await self._fork(network=True) if network else await self._take()
        try:
            yield process
        finally:
            self._fork_ahead()  # not before, as forking takes the processor from the call

    async def close(self) -> None:
        """Ends what calls are forked from, and the calls."""
        self._spares_wanted = 0
        await asyncio.gather(*self._forks)
        await asyncio.gather(*(spare.close() for spare in self._spares))
        if self._zygote:
            await self._zygote.close()

    def _fork_ahead(self) -> None:
        for _ in range(self._spares_wanted - len(self._spares) - len(self._forks)):
            fork = asyncio.create_task(self._fork_spare())
            self._forks.add(fork)
            fork.add_done_callback(self._forks.discard)

    async def _fork_spare(self) -> None:
        with suppress(CannotStart, OSError):  # a call that needs one tries again, and says so
            self._spares.append(await self._fork(network=False))

    async def _take(self) -> ToolProcess:
        while self._spares:
            spare = self._spares.popleft()
            if spare.is_alive and self._zygote and self._zygote.is_alive:
                return spare
            await spare.close()
        return await self._fork(network=False)

    async def _fork(self, *, network: bool) -> ToolProcess:
        zygote = await self._running()
        if not (zygote.layers.are_enough or self._allows_too_few_layers):
            raise CannotStart(
                f"this machine cannot shut tools in ({zygote.layers}). They need seccomp, and Landlock or namespaces; "
                "PERDURE_ALLOW_UNSANDBOXED_TOOLS=1 runs them all the same"
            )
        return await ToolProcess.start(zygote, self._calls, self._settings.limits, network=network)

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
            zygote = await Zygote.start(self._settings)
        except CannotStart as exc:
            log.error("Tools cannot run: %s", exc)
            raise
        level, end = (logging.INFO, "") if zygote.layers.are_enough else (logging.WARNING, ": too few")
        log.log(level, "Layers of the sandbox of tools: %s%s", zygote.layers, end)
        return zygote
