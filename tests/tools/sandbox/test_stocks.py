"""Stocks of processes, one per set of packages."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from services.tools.sandbox.job import Limits
from services.tools.sandbox.package_cache import PackageSet
from services.tools.sandbox.stock import Stock
from services.tools.sandbox.stocks import Release, Stocks
from services.tools.sandbox.zygote import Settings


class Opening:
    """Opens stocks that start nothing, and counts."""

    def __init__(self) -> None:
        self.opened: Counter[PackageSet] = Counter()
        self.released: Counter[PackageSet] = Counter()
        self.was_released = asyncio.Event()

    async def __call__(self, wanted: PackageSet) -> tuple[Stock, Release]:
        await asyncio.sleep(0)
        self.opened[wanted] += 1
        settings = Settings(Path("/none"), Path("/none"), Limits())

        def release() -> None:
            self.released[wanted] += 1
            self.was_released.set()

        return Stock(settings, Path("/none"), allows_too_few_layers=False), release


def a_set(name: str) -> PackageSet:
    return PackageSet("python", (name,))


async def test_a_stock_is_opened_once() -> None:
    opening = Opening()
    stocks = Stocks(opening)

    async def use() -> Stock:
        async with stocks.use(a_set("one")) as stock:
            return stock

    found = await asyncio.gather(*(use() for _ in range(5)))

    assert len(set(map(id, found))) == 1
    assert opening.opened == {a_set("one"): 1}
    await stocks.close()
    assert opening.released == {a_set("one"): 1}


async def test_a_stock_that_nobody_uses_is_closed() -> None:
    opening = Opening()
    stocks = Stocks(opening, idle_s=0.0)

    async with stocks.use(a_set("one")):
        async with stocks.use(a_set("one")):
            pass
        assert not opening.released
    await opening.was_released.wait()

    async with stocks.use(a_set("one")):
        assert opening.opened[a_set("one")] == 2
    await stocks.close()


async def test_beyond_the_bound_the_stock_that_was_used_least_recently_is_closed() -> None:
    opening = Opening()
    stocks = Stocks(opening, most=2)

    async with stocks.use(a_set("in use")):
        for name in ("first", "second"):
            async with stocks.use(a_set(name)):
                pass
        await opening.was_released.wait()

        assert opening.released == {a_set("first"): 1}
    await stocks.close()


async def test_a_failure_to_open_is_told_and_tried_again() -> None:
    opening = Opening()
    failures = [OSError("full")]

    async def fail_once(wanted: PackageSet) -> tuple[Stock, Release]:
        if failures:
            raise failures.pop()
        return await opening(wanted)

    stocks = Stocks(fail_once)

    with pytest.raises(OSError, match="full"):
        async with stocks.use(a_set("one")):
            pass
    async with stocks.use(a_set("one")):
        assert opening.opened[a_set("one")] == 1
    await stocks.close()
