"""The columns of a run that make up a record, and how they are read."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, and_, cast, extract, func, literal_column
from sqlalchemy.types import Float, Integer

from perdure.runs.v1.run_service_pb2 import StartRunRequest
from services.runs.conversions import USAGE_FIELDS, read_request, read_usage
from services.runs.records import Claimed, Failure, Run
from services.runs.tables import runs

_UNSEEN = (
    *("request", "request_hash", "delivered_at", "refused_at", "callback_due_at", "callback_attempts"),
    *("line_place", "line_due_at", "deadline_at"),
)
RUN_COLUMNS = [column for column in runs.c if column.name not in _UNSEEN]

# By what the runs that wait for a conversation are sorted: those that interrupt come first.
IN_LINE_ORDER = (runs.c.on_busy == "enqueue", runs.c.line_place)

_QUEUE_POSITION = """
    CASE WHEN runs.line_place IS NULL THEN 0 ELSE 1 + (
        SELECT count(*) FROM runs.runs AS ahead
        WHERE ahead.organization_id = runs.organization_id AND ahead.conversation_id = runs.conversation_id
          AND ahead.line_place IS NOT NULL
          AND (ahead.on_busy = 'enqueue', ahead.line_place) < (runs.on_busy = 'enqueue', runs.line_place)) END
"""
SHOWN = [
    *RUN_COLUMNS,
    runs.c.delivered_at.is_not(None).label("delivered"),
    literal_column(_QUEUE_POSITION, Integer).label("queue_position"),
    cast(extract("epoch", runs.c.deadline_at - func.clock_timestamp()), Float).label("remaining_s"),
]
HAS_FOLLOWERS = """
    EXISTS (
        SELECT FROM runs.runs AS waiting
        WHERE waiting.organization_id = runs.organization_id AND waiting.conversation_id = runs.conversation_id
          AND waiting.line_place IS NOT NULL) AS has_followers
"""


def read_run(row: Row[Any]) -> Run:
    """A run from its columns."""
    columns: dict[str, Any] = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public accessor
    usage = read_usage(columns)
    fields = {name: value for name, value in columns.items() if name not in (*USAGE_FIELDS, "request", "request_hash")}
    failure: Mapping[str, Any] | None = fields.pop("failure")
    fields["otid"] = fields["otid"] or ""
    fields["request_id"] = fields["request_id"] or ""
    fields["tools_used"] = tuple(fields["tools_used"])
    return Run(**fields, usage=usage, failure=Failure(**failure) if failure else None)


def read_claimed(row: Row[Any]) -> Claimed:
    """A run with its request, from its columns."""
    return Claimed(read_run(row), read_request(StartRunRequest.FromString(row.request)))


def is_run(run: Run) -> Any:  # Any: a SQL condition
    """Holds for the row of a run."""
    return and_(runs.c.organization_id == run.organization_id, runs.c.id == run.id)
