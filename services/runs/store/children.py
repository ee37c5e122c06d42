"""Runs that tool calls of other runs started, in Postgres."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Database
from services.runs.children.family import ParentEnded, Relative
from services.runs.records import ACTIVE_STATUSES
from services.runs.tables import runs

_HOLD = (
    select(runs.c.id)
    .where(
        runs.c.organization_id == bindparam("organization_id"),
        runs.c.id == bindparam("run_id"),
        runs.c.status.in_(ACTIVE_STATUSES),
    )
    .with_for_update(read=True)
)
_ANCESTORS = text(
    """
    WITH RECURSIVE line AS (
        SELECT id, parent_run_id, conversation_id, status, 0 AS distance FROM runs.runs
        WHERE organization_id = :organization_id AND id = :run_id
      UNION ALL
        SELECT runs.id, runs.parent_run_id, runs.conversation_id, runs.status, distance + 1
        FROM line JOIN runs.runs ON runs.id = line.parent_run_id AND runs.organization_id = :organization_id)
    SELECT id, conversation_id, status IN ('created', 'running') AS is_active FROM line ORDER BY distance
    """
)
_ACTIVE_CHILDREN = select(runs.c.id).where(
    runs.c.organization_id == bindparam("organization_id"),
    runs.c.parent_run_id == bindparam("run_id"),
    runs.c.status.in_(ACTIVE_STATUSES),
)


async def hold_parent(connection: AsyncConnection, organization_id: str, run_id: str) -> None:
    """Keeps a run from ending before the transaction does. One statement. Raises `ParentEnded`."""
    found = await connection.execute(_HOLD, {"organization_id": organization_id, "run_id": run_id})
    if found.first() is None:
        raise ParentEnded(run_id)


class PostgresFamily:
    """Who started whom. Every method is one statement in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ancestors(self, organization_id: str, run_id: str) -> Sequence[Relative]:
        """The run itself, the one that started it, and so on."""
        async with self._database.begin() as connection:
            rows = await connection.execute(_ANCESTORS, {"organization_id": organization_id, "run_id": run_id})
            return [Relative(row.id, row.conversation_id, row.is_active) for row in rows]

    async def active_children(self, organization_id: str, run_id: str) -> Sequence[str]:
        """The runs that tool calls of this one started and that go on."""
        async with self._database.begin() as connection:
            rows = await connection.execute(_ACTIVE_CHILDREN, {"organization_id": organization_id, "run_id": run_id})
            return list(rows.scalars())
