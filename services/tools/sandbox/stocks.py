"""The stocks of processes, one per set of packages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.tools.sandbox.package_cache import PackageSet
from services.tools.sandbox.stock import Stock

MAX_STOCKS = 8  # beside that of calls without packages; each takes some 20 MiB
IDLE_S = 600.0  # seconds for which a stock stays that nobody uses

Release = Callable[[], None]
Open = Callable[[PackageSet], Awaitable[tuple[Stock, Release]]]


@dataclass
class _Kept:
    stock: Stock
    release: Release
    users: int = 0
    retirement: asyncio.TimerHandle | None = None


class Stocks:
    """Opens stocks when they are first needed, and closes those that nobody uses.

    `open_stock` makes one, with what is to be done once it is closed.
    """

    def __init__(self, open_stock: Open, *, most: int = MAX_STOCKS, idle_s: float = IDLE_S) -> None:
        self._open = open_stock
        self._most = most
        self._idle_s = idle_s
        self._kept: dict[PackageSet, _Kept] = {}  # those used last stand last
        self._opening: dict[PackageSet, asyncio.Lock] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def use(self, wanted: PackageSet) -> AsyncIterator[Stock]:
        """The stock of a set, which stays open meanwhile. Raises what opening it raises."""
        async with self._opening.setdefault(wanted, asyncio.Lock()):
            if wanted not in self._kept:
                self._kept[wanted] = _Kept(*await self._open(wanted))
        kept = self._kept[wanted] = self._kept.pop(wanted)
        kept.users += 1
        if kept.retirement:
            kept.retirement.cancel()
        try:
            yield kept.stock
        finally:
            kept.users -= 1
            if not kept.users:
                kept.retirement = asyncio.get_running_loop().call_later(self._idle_s, self._retire, wanted)
            self._retire_beyond_bound()

    async def close(self) -> None:
        """Closes all."""
        for wanted in list(self._kept):
            self._retire(wanted)
        await asyncio.gather(*self._closing)

    def _retire_beyond_bound(self) -> None:
        unused = [wanted for wanted, kept in self._kept.items() if not kept.users]
        for wanted in unused[: max(0, len(self._kept) - self._most)]:
            self._retire(wanted)

    def _retire(self, wanted: PackageSet) -> None:
        kept = self._kept.pop(wanted)
        if kept.retirement:
            kept.retirement.cancel()
        task = asyncio.create_task(self._close(kept))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, kept: _Kept) -> None:
        await kept.stock.close()
        kept.release()
