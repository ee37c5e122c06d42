"""The event log in Redis: a stream per run.

An entry holds a batch of events and has the id `<attempt>-<first seq>`. Redis takes only growing ids, so an owner whose
run was taken over cannot write any more. https://redis.io/docs/latest/develop/data-types/streams/
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from perdure.runs.v1.run_pb2 import RunEvent, RunEvents
from services.common.redis import undisturbed
from services.runs.events.log import TAIL_S

log = logging.getLogger(__name__)

INTERVAL_S = 0.05  # seconds between two writes of this process; the end of a run does not wait
RETRY_S = 1.0  # seconds before a write that failed is tried again
KEPT_S = 24 * 3600  # seconds that a run can be replayed token by token
PAGE = 1_000  # entries read at once
WAITING_EVENTS = (
    20_000  # events of one run that wait for Redis at most; then its log is given up and rebuilt at the end
)
_BATCH = b"e"

Batch = tuple[str, list[RunEvent]]  # a run and events of it
Entries = Sequence[tuple[bytes, Mapping[bytes, bytes]]]  # ids and fields, as Redis answers


class RedisEventLog:
    """Writes what was added in one pipeline, in the background: `run` is its task."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._waiting: dict[str, list[RunEvent]] = {}
        self._unsure: list[Batch] = []  # batches whose write failed, perhaps after Redis had taken them
        self._given_up: set[str] = set()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._writing = asyncio.Lock()

    def append(self, run_id: str, events: Sequence[RunEvent]) -> None:
        """Adds events to what is written next."""
        ended = events[-1].HasField("ended")
        if run_id in self._given_up:
            self._given_up -= {run_id} if ended else set()
            return
        self._waiting.setdefault(run_id, []).extend(events)
        self._wake.set()
        if ended:
            self._hurry.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._wake.wait()
            await self._pause()
            self._wake.clear()
            self._hurry.clear()
            try:
                await self._flush()
            except RedisError as exc:
                log.warning("events cannot be logged just now: %s", exc)
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def flush(self) -> None:
        """Writes all that waits, if Redis is there."""
        try:
            await self._flush()
        except RedisError as exc:
            log.warning("events cannot be logged just now: %s", exc)

    async def _flush(self) -> None:
        """Writes all that waits. A batch keeps its id when it is sent again, so that Redis takes it once."""
        async with self._writing:
            batches = [*self._unsure, *self._waiting.items()]
            self._unsure, self._waiting = batches, {}
            if batches:
                await self._write(batches)
            self._unsure = []

    async def take_over(self, run_id: str, attempt: int) -> list[RunEvent]:
        """Writes an empty entry first, which shuts earlier attempts out, then reads. Nothing where Redis is away."""
        self._waiting.pop(run_id, None)
        try:
            await undisturbed(self._redis.xadd(_key(run_id), {_BATCH: b""}, id=f"{attempt}-0"))
        except RedisError as exc:
            log.warning("the log of %s cannot be taken over: %s", run_id, exc)
        return await self.read(run_id)

    async def read(self, run_id: str) -> list[RunEvent]:
        """All that is logged; nothing where Redis is away."""
        events: list[RunEvent] = []
        cursor = "-"
        try:
            while True:
                entries: Any = await undisturbed(
                    self._redis.xrange(_key(run_id), min=cursor, count=PAGE)
                )  # Any: as Entries
                if not entries:
                    return events
                events += _events(entries)
                cursor = f"({entries[-1][0].decode()}"
        except RedisError as exc:
            log.warning("the log of %s cannot be read: %s", run_id, exc)
            return []

    async def tail(self, run_id: str, cursor: str) -> tuple[list[RunEvent], str]:
        """Waits on the stream. Where Redis is away, it only waits."""
        waited: Any = {_key(run_id): cursor}  # Any: dict is invariant in its key
        try:
            answer: Any = await undisturbed(self._redis.xread(waited, count=PAGE, block=int(TAIL_S * 1000)))
        except RedisError:
            await asyncio.sleep(TAIL_S)
            return [], cursor
        if not answer:
            return [], cursor
        entries: Entries = answer[0][1]
        return _events(entries), entries[-1][0].decode()

    async def _write(self, batches: Sequence[Batch]) -> None:
        waiting = Counter[str]()
        for run_id, events in batches:
            waiting[run_id] += len(events)
        full = {run_id for run_id, count in waiting.items() if count > WAITING_EVENTS}
        if full:
            ended = {run_id for run_id, events in batches if events[-1].HasField("ended")}
            self._give_up(full - ended)
            batches = [(run_id, events) for run_id, events in batches if run_id not in full]
        pipeline = self._redis.pipeline(transaction=False)
        for run_id, events in batches:
            entry: Any = {_BATCH: RunEvents(events=events).SerializeToString()}  # Any: dict is invariant in its key
            pipeline.xadd(_key(run_id), entry, id=f"{events[0].attempt}-{events[0].seq}")
            pipeline.expire(_key(run_id), KEPT_S)
        answers = await undisturbed(pipeline.execute(raise_on_error=False))
        for (run_id, _), result in zip(batches, answers[::2], strict=True):
            if isinstance(result, ResponseError):
                log.info("events of %s are refused: %s", run_id, result)
            elif isinstance(result, RedisError):
                raise result

    async def _pause(self) -> None:
        """Lets events gather, unless a run has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL_S):
                await self._hurry.wait()

    def _give_up(self, run_ids: set[str]) -> None:
        log.warning("too many events wait for Redis: the logs of %d runs will be rebuilt", len(run_ids))
        self._given_up |= run_ids


def _key(run_id: str) -> str:
    return f"perdure:events:{run_id}"


def _events(entries: Entries) -> list[RunEvent]:
    return [event for _, fields in entries for event in RunEvents.FromString(fields[_BATCH]).events]
