"""The event log in Redis: a stream per run.

An entry holds a batch of events and has the id `<attempt>-<first seq>`. Redis takes only growing ids, so an owner whose
run was taken over cannot write any more. https://redis.io/docs/latest/develop/data-types/streams/
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from perdure.runs.v1.run_pb2 import RunEvent, RunEvents
from services.common.redis import undisturbed
from services.runs.events.log import Show

log = logging.getLogger(__name__)

RETRY_S = 1.0  # seconds before a write that failed is tried again
PAGE = 1_000  # entries read at once
WAITING_EVENTS = 20_000  # events of a run that wait for Redis at most; then its log is given up and rebuilt at the end
GIVEN_UP_RUNS = 1_000  # that are known as such: those that ended with another owner are pushed out by newer ones
_BATCH = b"e"
_SHUT_OUT = "equal or smaller"  # in what Redis says of an id that does not grow

Entries = Sequence[tuple[bytes, Mapping[bytes, bytes]]]  # ids and fields, as Redis answers


@dataclass
class _Batch:
    """Events of one run, and what is to be called once they are kept. `was_sent`: Redis may have them."""

    run_id: str
    events: list[RunEvent] = field(default_factory=list)
    shows: list[Show] = field(default_factory=list)
    was_sent: bool = False

    @property
    def entry_id(self) -> str:
        return f"{self.events[0].attempt}-{self.events[0].seq}"

    def show(self) -> None:
        shows, self.shows = self.shows, []
        for show in shows:
            show()


class RedisEventLog:
    """Writes in the background, in pipelines: what comes while one is under way goes with the next. `run` is its task.

    While Redis is away, or has no room, events are shown at once and wait here. Before that `note_unlogged` says so to
    whoever takes the runs over, and answers which are still ours. It is called with each write that fails; events of
    runs that began since the last call, and of all where it fails, are not shown yet; those of runs that others have
    taken never.
    `longest`: batches of a run that are kept, about; what a longer run told first is made again from the history.
    """

    def __init__(
        self, redis: "Redis", longest: int, kept_s: float, note_unlogged: Callable[[], Awaitable[Collection[str]]]
    ) -> None:
        self._redis = redis
        self._note_unlogged = note_unlogged
        self._longest = longest
        self._kept_s = math.ceil(kept_s)
        self._waiting: dict[str, _Batch] = {}
        self._unsure: list[_Batch] = []  # batches whose write failed, perhaps after Redis had taken them
        self._given_up: dict[str, None] = {}  # a set in the order of time
        self._unlogged: set[str] = set()  # runs of which it is noted; none while Redis is there
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def append(self, run_id: str, events: Sequence[RunEvent], show: Show) -> None:
        """Adds events to what is written next."""
        if run_id in self._given_up:
            if _have_ended(events):
                del self._given_up[run_id]
            show()
            return
        batch = self._waiting.setdefault(run_id, _Batch(run_id))
        batch.events += events
        batch.shows.append(show)
        if run_id in self._unlogged:
            batch.show()
        self._wake.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._flush()
            except RedisError as exc:
                log.warning("events cannot be logged just now: %s", exc)
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def flush(self) -> None:
        """Writes all that waits, if Redis is there. Goes on when cancelled: other runs' events are among it."""
        await undisturbed(self._try_to_flush())

    async def _try_to_flush(self) -> None:
        try:
            await self._flush()
        except RedisError as exc:
            log.warning("events cannot be logged just now: %s", exc)

    async def take_over(self, run_id: str, attempt: int) -> list[RunEvent] | None:
        """Writes an empty entry first, which shuts earlier attempts out, then reads."""
        self._waiting.pop(run_id, None)
        self._given_up.pop(run_id, None)
        try:
            await undisturbed(self._redis.xadd(_key(run_id), {_BATCH: b""}, id=f"{attempt}-0"))
            await undisturbed(self._redis.expire(_key(run_id), self._kept_s))
            return await self._read(run_id)
        except RedisError as exc:
            log.warning("the log of %s cannot be taken over: %s", run_id, exc)
            return None

    async def read(self, run_id: str) -> list[RunEvent]:
        """All that is logged; nothing where Redis is away."""
        try:
            return await self._read(run_id)
        except RedisError as exc:
            log.warning("the log of %s cannot be read: %s", run_id, exc)
            return []

    async def _read(self, run_id: str) -> list[RunEvent]:
        events: list[RunEvent] = []
        cursor = "-"
        while True:
            page = self._redis.xrange(_key(run_id), min=cursor, count=PAGE)
            entries: Any = await undisturbed(page)  # Any: as Entries
            if not entries:
                return events
            events += _events(entries)
            cursor = f"({entries[-1][0].decode()}"

    async def _flush(self) -> None:
        """Writes all that waits. A batch keeps its id when it is sent again, so that Redis takes it once."""
        async with self._writing:
            batches = self._bounded([*self._unsure, *self._waiting.values()])
            self._unsure, self._waiting = batches, {}
            if batches:
                try:
                    await self._write(batches)
                except RedisError:
                    await self._show_unlogged()
                    raise
            self._unsure, self._unlogged = [], set()

    async def _write(self, batches: Sequence[_Batch]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for batch in batches:
            # Any: dict is invariant in its key
            entry: Any = {_BATCH: RunEvents(events=batch.events).SerializeToString()}
            pipeline.xadd(_key(batch.run_id), entry, id=batch.entry_id, maxlen=self._longest, approximate=True)
        for batch in batches:
            if batch.events[0].seq == 1 or _have_ended(batch.events):
                pipeline.expire(_key(batch.run_id), self._kept_s)
        try:
            answers = await undisturbed(pipeline.execute(raise_on_error=False))
            for batch, answer in zip(batches, answers, strict=False):
                await self._settle(batch, answer)
        finally:
            for batch in batches:
                batch.was_sent = True

    async def _settle(self, batch: _Batch, answer: object) -> None:
        """Shows what is kept, now or since it was sent before; not what a newer owner shut out. Raises other errors."""
        if isinstance(answer, RedisError):
            if _SHUT_OUT not in str(answer):
                raise answer
            log.info("events of %s are refused: %s", batch.run_id, answer)
            if not (batch.was_sent and await self._is_kept(batch)):
                return
        batch.show()

    async def _is_kept(self, batch: _Batch) -> bool:
        found = self._redis.xrange(_key(batch.run_id), batch.entry_id, batch.entry_id)
        return bool(await undisturbed(found))

    async def _show_unlogged(self) -> None:
        waiting = {batch.run_id for batch in (*self._unsure, *self._waiting.values())}
        try:
            noted = waiting & {*await self._note_unlogged()}
        except Exception as exc:  # noqa: BLE001  # whatever the database does, the log goes on
            log.warning("events wait, as it cannot be noted that they are not logged: %r", exc)
            return
        self._unlogged |= noted
        for batch in (*self._unsure, *self._waiting.values()):
            if batch.run_id in self._unlogged or _have_ended(batch.events):  # what we could end is ours
                batch.show()

    def _bounded(self, batches: Sequence[_Batch]) -> list[_Batch]:
        """The batches without those of runs of which too much waits; these are shown at once."""
        counts: dict[str, int] = {}
        for batch in batches:
            counts[batch.run_id] = counts.get(batch.run_id, 0) + len(batch.events)
        full = [run_id for run_id, number in counts.items() if number > WAITING_EVENTS]
        if full:
            log.warning("too many events wait for Redis: the logs of %d runs will be rebuilt", len(full))
            self._give_up(full, [batch for batch in batches if batch.run_id in full])
        return [batch for batch in batches if batch.run_id not in full]

    def _give_up(self, run_ids: Sequence[str], batches: Sequence[_Batch]) -> None:
        ended = {batch.run_id for batch in batches if _have_ended(batch.events)}
        self._given_up |= dict.fromkeys(run_id for run_id in run_ids if run_id not in ended)
        for run_id in [*self._given_up][:-GIVEN_UP_RUNS]:
            del self._given_up[run_id]
        for batch in batches:
            batch.show()


def _have_ended(events: Iterable[RunEvent]) -> bool:
    return any(event.HasField("ended") for event in events)


def _key(run_id: str) -> str:
    return f"perdure:events:{run_id}"


def _events(entries: Entries) -> list[RunEvent]:
    return [event for _, fields in entries for event in RunEvents.FromString(fields[_BATCH]).events]
