"""Batches: the first event at once, then few, and the last at once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing

import pytest

from services.llm_router.batching import Pace, batch_events
from services.llm_router.completion import Delta, Event
from services.llm_router.errors import ProviderUnavailable


def word(number: int) -> Delta:
    return Delta(0, "text", f"w{number} ")


async def speak(count: int, pause_s: float = 0.0) -> AsyncGenerator[Sequence[Event], None]:
    for number in range(count):
        yield [word(number)]
        await asyncio.sleep(pause_s)


async def collect(source: AsyncGenerator[Sequence[Event], None], pace: Pace) -> list[Sequence[Event]]:
    return [batch async for batch in batch_events(source, pace)]


async def test_nothing_is_lost_and_nothing_changes_places() -> None:
    batches = await collect(speak(500), Pace())

    assert [event for batch in batches for event in batch] == [word(number) for number in range(500)]
    assert len(batches[0]) == 1


async def test_a_lone_stream_of_slow_tokens_is_not_held_back() -> None:
    batches = await collect(speak(20, 0.01), Pace())

    assert len(batches) == 20


async def test_many_streams_share_the_messages_that_may_be_sent() -> None:
    pace = Pace()
    clock = asyncio.get_running_loop().time
    with ExitStack() as others:
        for _ in range(99):  # a message each 50 ms
            others.enter_context(pace.live_stream())
        started = clock()

        batches = await collect(speak(40, 0.005), pace)

    assert len(batches[0]) == 1
    assert len(batches) <= 2 + (clock() - started) / 0.05  # the first and the last do not wait


async def test_the_end_does_not_wait_for_the_next_message() -> None:
    pace = Pace()
    clock = asyncio.get_running_loop().time
    with ExitStack() as others:
        for _ in range(100_000):  # a message each 50 s
            others.enter_context(pace.live_stream())
        started = clock()

        batches = await collect(speak(3, 0.01), pace)

    assert clock() - started < 25
    assert [len(batch) for batch in batches] == [1, 2]


async def test_an_error_comes_after_what_was_said() -> None:
    async def break_off() -> AsyncGenerator[Sequence[Event], None]:
        yield [word(0), word(1)]
        raise ProviderUnavailable("gone")

    batches = batch_events(break_off(), Pace())

    assert await anext(batches) == [word(0), word(1)]
    with pytest.raises(ProviderUnavailable):
        await anext(batches)


async def test_closing_the_batches_closes_the_source() -> None:
    closed = asyncio.Event()

    async def go_on() -> AsyncGenerator[Sequence[Event], None]:
        try:
            while True:
                yield [word(0)]
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async with aclosing(batch_events(go_on(), Pace())) as batches:
        await anext(batches)

    assert closed.is_set()
