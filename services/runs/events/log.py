"""The log of a run's events, for the next owner and for those who come later."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from perdure.runs.v1.run_pb2 import RunEvent

KEPT_RUNS = 1_000  # runs whose events the in-memory log keeps

Show = Callable[[], None]


class EventLog(Protocol):
    """Events of runs in order, kept for a day. Losing it costs nothing that cannot be made again from the history.

    What is kept before it is shown cannot be shown by one owner and unknown to the next, so that numbers have no gaps.
    """

    def append(self, run_id: str, events: Sequence[RunEvent], show: Show) -> None:
        """Adds events, soon; then calls `show`.

        Where they cannot be kept just now it is called all the same, where a newer owner has the run it is not.
        """

    async def flush(self) -> None:
        """Returns when all that was added before is kept, or cannot be."""

    async def take_over(self, run_id: str, attempt: int) -> list[RunEvent] | None:
        """Shuts out the owners before this attempt; what they have logged. None: it cannot be read just now."""

    async def read(self, run_id: str) -> list[RunEvent]:
        """All that is logged."""


class MemoryEventLog:
    """A log in this process, for a single replica where no Redis is to be had. `longest`: events of a run it keeps."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._events: OrderedDict[str, list[RunEvent]] = OrderedDict()

    def append(self, run_id: str, events: Sequence[RunEvent], show: Show) -> None:
        """Adds events at once; the run that is longest untouched makes room."""
        kept = self._events.setdefault(run_id, [])
        kept.extend(events)
        del kept[: max(0, len(kept) - self._longest)]
        self._events.move_to_end(run_id)
        if len(self._events) > KEPT_RUNS:
            self._events.popitem(last=False)
        show()

    async def flush(self) -> None:
        """Nothing is ever waiting."""

    async def take_over(self, run_id: str, attempt: int) -> list[RunEvent] | None:
        """What was logged here; another process cannot be asked."""
        return await self.read(run_id) or None

    async def read(self, run_id: str) -> list[RunEvent]:
        """All that is logged."""
        return list(self._events.get(run_id, ()))
