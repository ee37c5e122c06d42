"""Following a run from any replica, from any number on."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from perdure.runs.v1.run_pb2 import RunEvent
from services.common.errors import NotFound
from services.runs.events.feed import Feed
from services.runs.events.log import START, EventLog
from services.runs.events.numbers import last_number
from services.runs.events.reconcile import is_answer, replay, without_void
from services.runs.records import Run
from services.runs.turns.history import History
from services.runs.turns.ledger import Ledger
from services.runs.turns.turn import describe_end


class RunNotFound(NotFound):
    """There is no such run."""


class RunReader(Protocol):
    """Where runs are looked up."""

    async def get(self, organization_id: str, run_id: str) -> Run | None:
        """One run."""


@dataclass(frozen=True)
class Watching:
    """Finds a run's events where they are: in its owner's memory, in the log, or made again from the history."""

    runs: RunReader
    ledger: Ledger
    history: History
    event_log: EventLog
    find_feed: Callable[[str], Feed | None]

    async def watch(self, organization_id: str, run_id: str, after_seq: int) -> AsyncIterator[Sequence[RunEvent]]:
        """Batches of events above a number, as they come, to the end. Raises `RunNotFound`.

        The last event always comes. Deltas that were void before they are read are left out.
        """
        seen = _Seen(after_seq)
        while not seen.end:
            feed = self.find_feed(run_id)
            if feed is not None and feed.reaches(seen.seq):
                source = feed.follow(seen.seq)
            else:
                run = await self._get(organization_id, run_id)
                source = self._read_to_end(run) if run.is_final else self._follow_log(run)
            async for batch in source:
                new = seen.take(batch)
                if new:
                    yield new

    async def watch_whole(self, organization_id: str, run_id: str) -> AsyncIterator[Sequence[RunEvent]]:
        """One batch when the run has ended: its answer as whole messages, and the last event. Raises `RunNotFound`."""
        async for batch in self.watch(organization_id, run_id, 0):
            if batch[-1].HasField("ended"):
                stored = await self.history.messages(await self._get(organization_id, run_id))
                yield [*(RunEvent(message=message) for message in stored if is_answer(message)), batch[-1]]

    async def _get(self, organization_id: str, run_id: str) -> Run:
        run = await self.runs.get(organization_id, run_id)
        if run is None:
            raise RunNotFound(f"NOT_FOUND: There is no run {run_id}.")
        return run

    async def _follow_log(self, run: Run) -> AsyncIterator[list[RunEvent]]:
        """What other replicas log, until the run has ended or is ours."""
        cursor = START
        while True:
            events, cursor = await self.event_log.tail(run.id, cursor)
            if events:
                yield events
                if events[-1].HasField("ended"):
                    return
            elif self.find_feed(run.id) is not None or (await self._get(run.organization_id, run.id)).is_final:
                return

    async def _read_to_end(self, run: Run) -> AsyncIterator[list[RunEvent]]:
        """The events of a run that has ended: as logged, where the log has the end, else made whole."""
        logged = await self.event_log.read(run.id)
        if not any(event.HasField("ended") for event in logged):
            stored = await self.history.messages(run)
            steps = await self.ledger.of_run(run.organization_id, run.id)
            logged = replay(logged, stored, describe_end(run), {step.id: step.last_seq for step in steps})
        yield logged


class _Seen:
    """What a watcher has had."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.end = False
        self._is_new = seq == 0

    def take(self, batch: Sequence[RunEvent]) -> list[RunEvent]:
        """What of a batch is new to the watcher."""
        events = without_void(batch) if self._is_new else list(batch)
        new = [event for event in events if last_number(event) > self.seq or event.HasField("ended") or _is_live(event)]
        if new:
            self._is_new = False
            self.seq = max(self.seq, *map(last_number, new))
            self.end = new[-1].HasField("ended")
        return new


def _is_live(event: RunEvent) -> bool:
    """Output of a running tool has no number of its own."""
    return event.HasField("tool_output")
