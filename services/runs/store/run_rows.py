"""The columns of a run that make up a record, and how they are read."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, and_, case, cast, extract, func, select, tuple_
from sqlalchemy.types import Float

from perdure.runs.v1.run_service_pb2 import StartRunRequest
from services.runs.conversions import USAGE_FIELDS, read_request, read_usage
from services.runs.records import Claimed, Failure, Run
from services.runs.tables import runs

_UNSEEN = (
    *("request", "request_hash", "claimed_at", "delivered_at", "callback_due_at", "callback_attempts"),
    *("line_place", "line_due_at", "deadline_at"),
)
RUN_COLUMNS = [column for column in runs.c if column.name not in _UNSEEN]

_ahead = runs.alias("ahead")


def in_line_order(table: Any) -> tuple[Any, Any]:  # Any: `runs` or an alias of it; SQL expressions
    """By what the runs that wait for a conversation are sorted: those that interrupt come first."""
    return table.c.on_busy == "enqueue", table.c.line_place


_RUNS_AHEAD = (
    select(func.count())
    .select_from(_ahead)
    .where(
        _ahead.c.organization_id == runs.c.organization_id,
        _ahead.c.conversation_id == runs.c.conversation_id,
        _ahead.c.line_place.is_not(None),
        tuple_(*in_line_order(_ahead)) < tuple_(*in_line_order(runs)),
    )
    .correlate(runs)
    .scalar_subquery()
)
SHOWN = [
    *RUN_COLUMNS,
    runs.c.delivered_at.is_not(None).label("delivered"),
    case((runs.c.line_place.is_not(None), _RUNS_AHEAD + 1), else_=0).label("queue_position"),
    cast(extract("epoch", runs.c.deadline_at - func.clock_timestamp()), Float).label("remaining_s"),
]


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
