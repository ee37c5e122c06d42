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
    due_at = clock() + deadlines.first_event_s
    spoke = False
    async with aclosing(source):
        while True:
            try:
                async with asyncio.timeout_at(min(due_at, ends_at)):
                    events = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                raise TimedOut(f"The model did not {'finish' if spoke else 'begin'} its answer in time.") from exc
            spoke = spoke or bool(events)
            if spoke:
                due_at = clock() + deadlines.between_chunks_s
            yield events
