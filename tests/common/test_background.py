"""Work that lasts as long as a process."""

import asyncio
from collections.abc import Coroutine

import pytest

from services.common.background import Background, BrokenOff


async def last() -> None:
    await asyncio.Event().wait()


async def break_off() -> None:
    raise ValueError("a row that nobody expected")


async def test_work_ends_with_the_block(caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await last()
        finally:
            ended.set()

    async with Background() as background:
        background.begin("work", work())
        await asyncio.sleep(0)  # the task begins

    assert ended.is_set()
    assert caplog.messages == []


async def live_with(*work: Coroutine[None, None, None]) -> None:
    """A process that lives until its work breaks off."""
    async with Background() as background, asyncio.timeout(60):
        for each in work:
            background.begin("work", each)
        await background.broken.wait()


async def test_work_that_breaks_off_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BrokenOff):
        await live_with(last(), break_off())

    assert caplog.messages == ["the work broke off"]


async def test_work_that_just_returns_has_broken_off() -> None:
    with pytest.raises(BrokenOff):
        await live_with(asyncio.sleep(0))


async def test_a_cancel_that_gets_lost_is_repeated() -> None:
    async def work() -> None:
        try:
            await last()
        except asyncio.CancelledError:
            await last()

    async with asyncio.timeout(60), Background() as background:
        background.begin("work", work())
        await asyncio.sleep(0)  # the task begins
