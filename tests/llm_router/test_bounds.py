"""Bounds on time and on calls under way."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from services.llm_router.completion import Delta, Event
from services.llm_router.deadlines import Deadlines, bound_time
from services.llm_router.errors import TimedOut
from services.llm_router.provider import Provider
from services.llm_router.providers.echo import EchoAdapter


async def go_on(pause_s: float, events: Sequence[Event]) -> AsyncGenerator[Sequence[Event], None]:
    while True:
        await asyncio.sleep(pause_s)
        yield events


@pytest.mark.parametrize(
    "deadlines",
    [
        Deadlines(first_event_s=0.05),
        Deadlines(between_chunks_s=0.05),
        Deadlines(total_s=0.2),
    ],
)
async def test_a_model_that_is_too_slow_is_given_up(deadlines: Deadlines) -> None:
    pause_s = 0.01 if deadlines.total_s == 0.2 else 0.1

    with pytest.raises(TimedOut):
        async for _ in bound_time(go_on(pause_s, [Delta(0, "text", "w")]), deadlines):
            pass


async def test_signs_of_life_are_no_first_event() -> None:
    with pytest.raises(TimedOut):
        async for _ in bound_time(go_on(0.01, []), Deadlines(first_event_s=0.1)):
            pass


async def test_a_call_waits_until_one_before_it_has_ended() -> None:
    provider = Provider("p", "p", "", EchoAdapter(), slots=asyncio.Semaphore(1))
    entered: list[int] = []

    async def call(number: int) -> None:
        async with provider.slot():
            entered.append(number)
            await asyncio.sleep(0.02)
            assert entered[-1] == number

    await asyncio.gather(*(call(number) for number in range(3)))

    assert entered == [0, 1, 2]
