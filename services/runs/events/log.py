"""The log of a run's events, for watchers on other replicas and for those who come later."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from perdure.runs.v1.run_pb2 import RunEvent

TAIL_S = 1.0  # seconds that `tail` waits for more
START = "0"  # the cursor before the first event
KEPT_RUNS = 1_000  # runs whose events the in-memory log keeps


class EventLog(Protocol):
    """Events of runs in order, kept for a day. Losing it costs nothing that cannot be made again from the history."""

    def append(self, run_id: str, events: Sequence[RunEvent]) -> None:
        """Adds events, soon; at once when one of them is the end."""

    async def flush(self) -> None:
        """Returns when all that was added before is kept, or cannot be."""

    async def take_over(self, run_id: str, attempt: int) -> list[RunEvent]:
        """Shuts out the owners before this attempt; what they have logged."""

    async def read(self, run_id: str) -> list[RunEvent]:
        """All that is logged."""

    async def tail(self, run_id: str, cursor: str) -> tuple[list[RunEvent], str]:
        """What came after the cursor and the next cursor; waits `TAIL_S` for it where there is nothing."""


class MemoryEventLog:
    """A log in this process, for a single replica where no Redis is to be had."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, list[RunEvent]] = OrderedDict()

    def append(self, run_id: str, events: Sequence[RunEvent]) -> None:
        """Adds events at once; the run that is longest untouched makes room."""
        self._events.setdefault(run_id, []).extend(events)
        self._events.move_to_end(run_id)
        if len(self._events) > KEPT_RUNS:
            self._events.popitem(last=False)

    async def flush(self) -> None:
        """Nothing is ever waiting."""

    async def take_over(self, run_id: str, attempt: int) -> list[RunEvent]:
        """What was logged. All owners are this process: there is nobody to shut out."""
        return await self.read(run_id)

    async def read(self, run_id: str) -> list[RunEvent]:
        """All that is logged."""
        return list(self._events.get(run_id, ()))

    async def tail(self, run_id: str, cursor: str) -> tuple[list[RunEvent], str]:
        """What came after the cursor, a count of events."""
        if len(self._events.get(run_id, ())) == int(cursor):
            await asyncio.sleep(TAIL_S)
        events = self._events.get(run_id, [])
        return events[int(cursor) :], str(len(events))
