"""The events of one run in its owner's memory, from which its followers are fed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from perdure.runs.v1.run_pb2 import RunEvent
from services.runs.events.numbers import last_number

KEPT_EVENTS = 10_000  # events; a subscriber further behind reads the log


class Feed:
    """A run's events from the first one on, bounded, with any number of followers at their own pace."""

    def __init__(self) -> None:
        self._events: deque[RunEvent] = deque()
        self._dropped = 0  # events that were let go, so that positions stay what they are
        self._changed = asyncio.Event()
        self.is_closed = False

    def publish(self, events: Sequence[RunEvent]) -> None:
        """Adds events and wakes the followers."""
        self._events.extend(events)
        while len(self._events) > KEPT_EVENTS:
            self._events.popleft()
            self._dropped += 1
        self._wake()

    def close(self) -> None:
        """Nothing more will come from this owner."""
        self.is_closed = True
        self._wake()

    def reaches(self, after_seq: int) -> bool:
        """Whether everything after this number is here, or yet to come."""
        return self._dropped == 0 or self._events[0].seq <= after_seq + 1

    async def follow(self, after_seq: int) -> AsyncIterator[list[RunEvent]]:
        """Batches of what comes after a number, until the feed is closed or the follower falls too far behind."""
        position = self._dropped
        while position >= self._dropped:
            batch = [event for event in self._from(position) if last_number(event) > after_seq]
            position = self._dropped + len(self._events)
            if batch:
                yield batch
            elif self.is_closed:
                return
            elif position == self._dropped + len(self._events):
                await self._changed.wait()

    def _from(self, position: int) -> list[RunEvent]:
        start = position - self._dropped
        return [self._events[index] for index in range(start, len(self._events))]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
