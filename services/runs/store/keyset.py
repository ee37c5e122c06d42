"""Lists page by page, in the order of creation; what was created at one time goes by id."""

from typing import Any

from sqlalchemy import Select, Table, select, tuple_

from services.runs.records import RunFilter, StepFilter

Rows = Select[*tuple[Any, ...]]  # Any: rows of whatever columns the query has


def is_backwards(wanted: RunFilter | StepFilter) -> bool:
    """Whether the rows of a page come in reverse: `before` alone asks for those next to the cursor."""
    return bool(wanted.before and not wanted.after)


def cut(query: Rows, table: Table, organization_id: str, wanted: RunFilter | StepFilter) -> Rows:
    """The query, in order and cut down to the page. A cursor that does not exist leaves nothing."""
    key = tuple_(table.c.created_at, table.c.id)
    for cursor, is_after in ((wanted.after, True), (wanted.before, False)):
        if cursor:
            edge = select(table.c.created_at, table.c.id)
            place = edge.where(table.c.organization_id == organization_id, table.c.id == cursor).scalar_subquery()
            query = query.where(key > place if wanted.ascending is is_after else key < place)
    is_rising = wanted.ascending is not is_backwards(wanted)
    return query.order_by(*(column.asc() if is_rising else column.desc() for column in key)).limit(wanted.limit)
