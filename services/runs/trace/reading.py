"""The trace of a run as it is read. What a killed process could not write is made from what is stored of the run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.runs.records import Run
from services.runs.trace.events import TraceEvent, describe_end


@dataclass(frozen=True)
class _Attempt:
    """An attempt that the run's row, or an event that was stored with it, tells of."""

    number: int
    owner: str
    began_at: datetime


def complete(run: Run, written: Sequence[TraceEvent]) -> list[TraceEvent]:
    """The events in the order in which they ended, with each attempt and the end of a run that has ended.

    Those that are made here have `derived` in their detail; while their process lives, it soon writes its own.
    """
    told = {event.attempt for event in written if event.kind == "attempt"}
    known = {attempt.number: attempt for attempt in _known(run, written)}
    made = [_begun(run, attempt) for number, attempt in known.items() if number not in told]
    if run.is_final and not any(event.kind == "end" for event in written):
        made.append(_ended(run))
    return sorted([*written, *made], key=lambda event: event.ended_at)


def _known(run: Run, written: Sequence[TraceEvent]) -> Iterator[_Attempt]:
    if run.owner and run.claimed_at:
        yield _Attempt(run.attempt, run.owner, run.claimed_at)
    for event in written:
        if event.kind == "takeover":
            yield _Attempt(event.attempt - 1, event.detail["taken_from"], event.began_at)
            yield _Attempt(event.attempt, event.owner, event.ended_at)
        elif event.kind == "release":
            yield _Attempt(event.attempt, event.owner, event.began_at)


def _begun(run: Run, attempt: _Attempt) -> TraceEvent:
    return TraceEvent(
        organization_id=run.organization_id,
        run_id=run.id,
        attempt=attempt.number,
        owner=attempt.owner,
        kind="attempt",
        began_at=attempt.began_at,
        ended_at=attempt.began_at,
        detail={"taken_over": str(attempt.number > 1).lower(), "derived": True},
    )


def _ended(run: Run) -> TraceEvent:
    return TraceEvent(
        organization_id=run.organization_id,
        run_id=run.id,
        attempt=run.attempt,
        owner=run.owner or "",
        kind="end",
        began_at=run.created_at,
        ended_at=run.completed_at or run.created_at,
        detail={**describe_end(run), "derived": True},
    )
