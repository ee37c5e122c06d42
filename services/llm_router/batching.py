"""Batches of events: few messages for many tokens, and none that waits long.

One event per gRPC message carries 4 thousand tokens a second, sixteen carry 56 thousand. Tokens that come 10 ms apart
never queue up by themselves, so with many streams each is held back a little; a lone stream is not.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager

from services.llm_router.completion import Event

FLUSHES_PER_S = 2000  # messages a second that one process may send over all its streams


class Pace:
    """How often the streams of this process may send."""

    def __init__(self) -> None:
        self._live = 0

    @property
    def interval_s(self) -> float:
        """Seconds between two messages of a stream: 0.5 ms for one stream, 25 ms for fifty."""
        return self._live / FLUSHES_PER_S

    @contextmanager
    def live_stream(self) -> Iterator[None]:
        """Counts a stream for as long as it lasts."""
        self._live += 1
        try:
            yield
        finally:
            self._live -= 1


async def batch_events(
    source: AsyncGenerator[Sequence[Event], None], pace: Pace
) -> AsyncGenerator[Sequence[Event], None]:
    """The events of the source: the first at once, then in batches, the last at once.

    An error of the source comes after everything that came before it. Closing this generator closes the source.
    """
    pending: list[Event] = []
    arrived = asyncio.Event()
    pump = asyncio.create_task(_pump(source, pending, arrived))
    clock = asyncio.get_running_loop().time
    sent_at = 0.0
    try:
        with pace.live_stream():
            while await arrived.wait():
                wait_s = sent_at + pace.interval_s - clock()
                if wait_s > 0:
                    await asyncio.wait((pump,), timeout=wait_s)
                arrived.clear()
                batch = pending.copy()
                pending.clear()
                sent_at = clock()
                if batch:
                    yield batch
                if pump.done() and not pending:
                    await pump  # raises what ended the source
                    return
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _pump(source: AsyncGenerator[Sequence[Event], None], pending: list[Event], arrived: asyncio.Event) -> None:
    try:
        async with aclosing(source):
            async for events in source:
                if events:
                    pending.extend(events)
                    arrived.set()
    finally:
        arrived.set()
