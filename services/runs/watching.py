"""Following a run from any replica, from any number on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from perdure.conversation.v1.message_pb2 import STOP_REASON_CANCELLED
from perdure.runs.v1.run_pb2 import RUN_STATUS_CANCELLED, RunEnded, RunEvent
from services.common.errors import NotFound, Unavailable
from services.common.patience import keep_trying
from services.runs.events.feed import Feed
from services.runs.events.log import EventLog
from services.runs.events.numbers import last_number, unbroken
from services.runs.events.reconcile import answers_of, replay, without_void
from services.runs.open_streams import OpenStreams
from services.runs.records import Run
from services.runs.turns.failures import is_interruption
from services.runs.turns.history import History
from services.runs.turns.ledger import Ledger
from services.runs.turns.turn import describe_end

RETRY_S = 0.25  # seconds before an active run is looked for again that no replica tells of
PATIENCE_S = 60.0  # seconds that a watcher who has found the run waits for the database
BACK_S = 1.0  # seconds until another process tells of a run whose own has stopped
MOST_RETRIES_APART = 4  # times that, for one that waits behind others: they are looked for more seldom

Batches = AsyncGenerator[Sequence[RunEvent], None]  # of events, as they come


class RunNotFound(NotFound):
    """There is no such run."""


class ProcessStops(Unavailable):
    """Whoever followed a run here finds it at another process."""

    reason = "PROCESS_STOPS"

    def __init__(self) -> None:
        super().__init__("This process of the server stops. The run goes on in another one.", retry_after_s=BACK_S)


class RunReader(Protocol):
    """Where runs are looked up."""

    async def get(self, organization_id: str, run_id: str) -> Run | None:
        """One run."""


class Neighbours(Protocol):
    """The other replicas."""

    def follow(self, run: Run, after_seq: int) -> Batches:
        """What the run's owner tells of it, as long as it owns it and can be reached."""


@dataclass(frozen=True)
class Watching:
    """Finds a run's events where they are: with its owner, in the log, or made again from the history."""

    runs: RunReader
    ledger: Ledger
    history: History
    event_log: EventLog
    neighbours: Neighbours
    find_feed: Callable[[str, str], Feed | None]  # by organisation and run
    streams: OpenStreams

    async def watch(self, organization_id: str, run_id: str, after_seq: int) -> Batches:
        """Batches of events above a number, as they come, to the end. Raises `RunNotFound`.

        The last event always comes. What was void before it is read is left out, but for the event that says so. Where
        the database is away, that is raised at first; who has found the run waits. A run that is deleted then has been
        cancelled. Raises `ProcessStops` where this process leaves before the run ends.
        """
        seen, patience_s = _Seen(after_seq), 0.0
        while not seen.is_over():
            if self.streams.must_end:
                raise ProcessStops
            try:
                async with aclosing(self._find(organization_id, run_id, seen.seq, patience_s)) as batches:
                    async for batch in batches:
                        if new := seen.take(batch):
                            yield new
                        if seen.is_over():
                            return
            except RunNotFound:
                if not patience_s:
                    raise
                yield [_deleted(seen.seq + 1)]
                return
            patience_s = PATIENCE_S

    async def watch_owned(self, organization_id: str, run_id: str, after_seq: int) -> Batches:
        """The same as long as this process owns the run."""
        seen = _Seen(after_seq)
        while not seen.is_over() and (feed := self.find_feed(organization_id, run_id)) is not None:
            async with aclosing(self._tell(run_id, feed, seen.seq)) as batches:
                async for batch in batches:
                    if new := seen.take(batch):
                        yield new

    async def watch_whole(self, organization_id: str, run_id: str) -> Batches:
        """One batch when the run has ended: its answer as whole messages, and the last event. Raises `RunNotFound`."""
        async with aclosing(self.watch(organization_id, run_id, 0)) as batches:
            async for batch in batches:
                if batch[-1].HasField("ended"):
                    run = await self._get(organization_id, run_id, PATIENCE_S)
                    answers = answers_of(run, await self.history.messages(run))
                    yield [*(RunEvent(message=message) for message in answers), batch[-1]]

    async def _get(self, organization_id: str, run_id: str, patience_s: float) -> Run:
        run = await keep_trying(
            lambda: self.runs.get(organization_id, run_id), is_interruption, patience_s=patience_s, pause_s=RETRY_S
        )
        if run is None:
            raise RunNotFound(f"NOT_FOUND: There is no run {run_id}.")
        return run

    async def _find(self, organization_id: str, run_id: str, after_seq: int, patience_s: float) -> Batches:
        """What comes after a number, from wherever the run is now."""
        feed = self.find_feed(organization_id, run_id)
        if feed is not None:
            source = self._tell(run_id, feed, after_seq)
        else:
            run = await self._get(organization_id, run_id, patience_s)
            source = self._read_to_end(run) if run.is_final else self._follow(run, after_seq)
        async with aclosing(source):
            async for batch in source:
                yield batch

    async def _tell(self, run_id: str, feed: Feed, after_seq: int) -> Batches:
        """From this process's memory; from the log what that has let go."""
        if not feed.reaches(after_seq):
            yield await self.event_log.read(run_id)
            await asyncio.sleep(RETRY_S)  # the log may lack them just now
            return
        async for batch in feed.follow(after_seq):
            yield batch

    async def _follow(self, run: Run, after_seq: int) -> Batches:
        async with aclosing(self.neighbours.follow(run, after_seq)) as batches:
            async for batch in batches:
                yield batch
        await asyncio.sleep(RETRY_S * min(max(run.queue_position, 1), MOST_RETRIES_APART))

    async def _read_to_end(self, run: Run) -> Batches:
        """The events of a run that has ended: as logged, where the log is whole, else made so."""
        logged = await self.event_log.read(run.id)
        told = unbroken(logged)
        if not told or not told[-1].HasField("ended"):
            stored = answers_of(run, await self.history.messages(run))
            steps = await self.ledger.of_run(run.organization_id, run.id)
            told = replay(logged, stored, describe_end(run), {step.id: step.last_seq for step in steps})
        yield told


def _deleted(seq: int) -> RunEvent:
    """The last event of a run that is not there any more."""
    return RunEvent(seq=seq, ended=RunEnded(status=RUN_STATUS_CANCELLED, stop_reason=STOP_REASON_CANCELLED))


class _Seen:
    """What a watcher has had."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self._has_end = False
        self._is_new = seq == 0

    def is_over(self) -> bool:
        """Whether that was all."""
        return self._has_end

    def take(self, batch: Sequence[RunEvent]) -> list[RunEvent]:
        """What of a batch is new to the watcher."""
        events = without_void(batch) if self._is_new else batch
        new = [event for event in events if last_number(event) > self.seq or event.HasField("ended") or _is_live(event)]
        if new:
            self._is_new = False
            self.seq = max([self.seq, *(last_number(event) for event in new if not _is_live(event))])
            self._has_end = new[-1].HasField("ended")
        return new


def _is_live(event: RunEvent) -> bool:
    """Output of a running tool has no number of its own."""
    return event.HasField("tool_output")
