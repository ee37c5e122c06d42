"""Bounds on how long a model may take."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from services.llm_router.completion import Event
from services.llm_router.errors import TimedOut


@dataclass(frozen=True)
class Deadlines:
    """Seconds. The first event may take long: local models load first, and some models think in silence."""

    connect_s: float = 5.0
    first_event_s: float = 300.0
    between_chunks_s: float = 120.0
    total_s: float = 1800.0


async def bound_time(
    source: AsyncGenerator[Sequence[Event], None], deadlines: Deadlines
) -> AsyncGenerator[Sequence[Event], None]:
    """The batches of the source. Raises `TimedOut` when one of them does not come in time."""
    clock = asyncio.get_running_loop().time
    ends_at = clock() + deadlines.total_s
    next_at = clock() + deadlines.first_event_s
    waits_for = "its first event"
    async with aclosing(source):
        while True:
            try:
                async with asyncio.timeout_at(min(next_at, ends_at)):
                    events = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                what = waits_for if next_at < ends_at else "the end of its answer"
                raise TimedOut(f"The model was too slow: {what} did not come in time.") from exc
            if events or waits_for != "its first event":
                next_at, waits_for = clock() + deadlines.between_chunks_s, "more of its answer"
            yield events
