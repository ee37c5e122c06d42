"""Lists page by page, by keyset."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, select, tuple_

from services.agents.paging import CursorNotFound, Page
from services.common.database import Transaction

Rows = Select[*tuple[Any, ...]]  # Any: rows of whatever columns the query has


async def cut(
    tx: Transaction, query: Rows, page: Page, *, table: Table, sort: ColumnElement[Any], organization_id: str
) -> Rows:
    """The query, in order and cut down to the page: one statement for each cursor.

    `sort` is an expression over `table` that is never null; equal values go by id. Raises `CursorNotFound`.
    """
    key = tuple_(sort, table.c.id)
    for cursor, is_after in ((page.after, True), (page.before, False)):
        if cursor:
            found = select(sort, table.c.id).where(table.c.id == cursor, table.c.organization_id == organization_id)
            place = (await tx.execute(found)).one_or_none()
            if place is None:
                raise CursorNotFound(f"There is no {cursor} to page from.")
            is_larger = is_after != page.descending
            query = query.where(key > tuple(place) if is_larger else key < tuple(place))
    return query.order_by(*(column.desc() if page.descending else column.asc() for column in key)).limit(page.limit)
