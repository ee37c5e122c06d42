"""Keeps what is noted until it is written: in batches, after the answers."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from services.common.errors import PerdureError
from services.runs.records import Run
from services.runs.trace.events import STORED_WITH_RUN, Kind, TraceEvent
from services.runs.trace.metrics import Sample, count

log = logging.getLogger(__name__)

WRITE_S = 0.25  # seconds between two writes: what a killed process forgets, but for attempts and ends
SWEEP_S = 60.0  # seconds between two looks for traces that are too old
MOST_EVENTS = 20_000  # that wait for the database at most; then the oldest are forgotten
MAX_TEXT_CHARS = 1_000  # of a text in the detail of an event


class TraceStore(Protocol):
    """Where traces and counters are kept."""

    async def write(self, events: Sequence[TraceEvent], samples: Mapping[Sample, float]) -> None:
        """Adds events, and adds to counters."""

    async def sweep(self) -> None:
        """Deletes the events that are too old."""


class Journal:
    """A trace that is written in the background. `run` is its task; `told` hears every event at once."""

    def __init__(self, store: TraceStore, owner: str, told: Callable[[TraceEvent], None] = lambda _: None) -> None:
        self._store = store
        self._owner = owner
        self._told = told
        self._events: deque[TraceEvent] = deque(maxlen=MOST_EVENTS)

    def note(
        self,
        run: Run,
        kind: Kind,
        *,
        began_at: datetime | None = None,
        step_id: str = "",
        **detail: Any,  # Any: JSON
    ) -> None:
        """Keeps an event."""
        now = datetime.now(UTC)
        event = TraceEvent(
            organization_id=run.organization_id,
            run_id=run.id,
            attempt=run.attempt,
            owner=self._owner,
            kind=kind,
            began_at=began_at or now,
            ended_at=now,
            step_id=step_id,
            detail={name: _cut(value) for name, value in detail.items() if value is not None},
        )
        self._events.append(event)
        self._told(event)

    async def run(self) -> None:
        """Writes until cancelled."""
        swept = 0.0
        while True:
            await asyncio.sleep(WRITE_S)
            try:
                await self.write()
                if asyncio.get_running_loop().time() - swept > SWEEP_S:
                    await self._store.sweep()
                    swept = asyncio.get_running_loop().time()
            except PerdureError as exc:
                log.warning("traces cannot be written just now: %s", exc)
            except Exception:  # the top of the loop: one bad event must not end all traces
                log.exception("a batch of traces is lost")

    async def write(self) -> None:
        """Writes all that is kept. While the database is away, that is kept on. Raises `PerdureError` then."""
        events = [self._events.popleft() for _ in range(len(self._events))]
        if not events:
            return
        try:
            unstored = [event for event in events if event.kind not in STORED_WITH_RUN]
            await self._store.write(unstored, count(events))
        except (PerdureError, asyncio.CancelledError):
            self._events.extendleft(reversed(events))
            raise


def _cut(value: Any) -> Any:  # Any: JSON
    return f"{value[:MAX_TEXT_CHARS]}…" if isinstance(value, str) and len(value) > MAX_TEXT_CHARS else value
