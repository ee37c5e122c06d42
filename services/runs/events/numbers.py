"""The numbers of events: each stands for as many as the public stream shows objects for it."""

from collections.abc import Sequence

from perdure.runs.v1.run_pb2 import RunEvent
from services.common.pieces import count_pieces

LOST_NUMBERS = 100_000  # declared void where an owner died while there was no log: more than an answer has pieces


def width(event: RunEvent) -> int:
    """How many numbers an event stands for."""
    kind = event.WhichOneof("event")
    if kind == "message":
        return count_pieces(event.message)
    if kind == "ended":
        return 2  # stop reason and usage, or stop reason and error
    return 0 if kind == "tool_output" else 1


def last_number(event: RunEvent) -> int:
    """The last number of an event: a client that has seen it needs the event no more."""
    return event.seq + max(width(event), 1) - 1


def unbroken(events: Sequence[RunEvent]) -> list[RunEvent]:
    """The events from the first one on, up to where numbers are missing."""
    upcoming = 1
    kept: list[RunEvent] = []
    for event in events:
        if _first_number(event) > upcoming:
            break
        kept.append(event)
        upcoming = event.seq + width(event)
    return kept


def _first_number(event: RunEvent) -> int:
    return event.step_discarded.first_seq or event.seq
