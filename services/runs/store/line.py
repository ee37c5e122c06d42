"""Runs that wait for their conversation, in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import func, literal, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Database
from services.runs.line import LATE, Interrupted
from services.runs.records import ACTIVE_STATUSES, Claimed, Run, RunFilter, RunRequest
from services.runs.store.children import hold_parent
from services.runs.store.insertion import JOIN_LINE, run_values
from services.runs.store.repeated import repeated
from services.runs.store.run_rows import SHOWN, is_run, read_claimed, read_run
from services.runs.tables import runs

# One line of each conversation at a time: what a join finds stays so until it is stored.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:organization_id || :conversation_id, 7310))")

# The first of each line whose conversation is free. A line that is read again while it changes gives nothing twice:
# the row of a run that was taken meanwhile is looked at once more when its lock is had.
_NEXT = text(
    """
    SELECT runs.id FROM (
        SELECT DISTINCT ON (organization_id, conversation_id) id, organization_id, conversation_id, line_due_at
        FROM runs.runs WHERE line_place IS NOT NULL
        ORDER BY organization_id, conversation_id, on_busy = 'enqueue', line_place) AS first
    JOIN runs.runs ON runs.id = first.id AND runs.line_place IS NOT NULL
    WHERE (first.line_due_at IS NULL OR first.line_due_at <= clock_timestamp()) AND NOT EXISTS (
        SELECT FROM runs.runs AS holder
        WHERE holder.organization_id = first.organization_id AND holder.conversation_id = first.conversation_id
          AND holder.status IN ('created', 'running') AND holder.line_place IS NULL)
    LIMIT :limit FOR UPDATE OF runs SKIP LOCKED
    """
).columns(id=runs.c.id.type)

# Ends what has waited too long, and finds the runs of an owner for whose conversation an interrupting one waits.
_TEND = text(
    """
    WITH late AS (
        UPDATE runs.runs SET status = 'failed', stop_reason = 'error', failure = CAST(:failure AS jsonb),
            completed_at = clock_timestamp(), line_place = NULL
        WHERE line_place IS NOT NULL AND deadline_at < clock_timestamp())
    SELECT DISTINCT ON (holder.id) holder.organization_id, holder.id, waiting.on_busy = 'rollback' AS rolls_back
    FROM runs.runs AS waiting JOIN runs.runs AS holder
      ON holder.organization_id = waiting.organization_id AND holder.conversation_id = waiting.conversation_id
    WHERE waiting.line_place IS NOT NULL AND waiting.on_busy <> 'enqueue'
      AND holder.status IN ('created', 'running') AND holder.line_place IS NULL AND holder.owner = :owner
    ORDER BY holder.id, waiting.line_place
    """
)


_others = runs.alias("others")
_FIRST_PLACE = (
    select(func.min(_others.c.line_place))
    .where(
        _others.c.organization_id == runs.c.organization_id,
        _others.c.conversation_id == runs.c.conversation_id,
        _others.c.line_place.is_not(None),
    )
    .correlate(runs)
    .scalar_subquery()
)


class PostgresLines:
    """The line of each conversation. Every method is one statement in a transaction of its own, unless it says so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def join(
        self, run_id: str, request: RunRequest, *, sent: RunRequest, longest: int, but: str = ""
    ) -> tuple[Run, bool] | None:
        """A run at the end of the line, and whether it was there before; None where the line is too long.

        `sent` is the request as its client sent it, by which a repeated one is known; the run `but` does not count as
        an earlier sending. Two or three statements, one more for a run with a parent, which raises `ParentEnded`.
        """
        where = {"organization_id": request.organization_id, "conversation_id": request.conversation_id}
        values = {**run_values(run_id, request, None, sent=sent), "longest": longest}
        lookup = repeated(sent)
        async with self._database.begin() as connection:
            await connection.execute(_LOCK, where)
            earlier = None if lookup is None else (await connection.execute(lookup)).first()
            if earlier is not None and earlier.id != but:
                return read_run(earlier), True
            if request.parent_run_id:
                await hold_parent(connection, request.organization_id, request.parent_run_id)
            row = (await connection.execute(JOIN_LINE, values)).one_or_none()
        return None if row is None else (read_run(row), False)

    async def put_back(self, run: Run, pause_s: float) -> None:
        """A run of ours, before the others of its line again; it is not taken before the pause is over."""
        now = func.clock_timestamp()
        statement = (
            update(runs)
            .where(is_run(run), runs.c.attempt == run.attempt, runs.c.status.in_(ACTIVE_STATUSES))
            .values(
                status="created",
                owner=None,
                line_place=func.coalesce(_FIRST_PLACE, 1) - 1,
                line_due_at=now + text("interval '1 second'") * literal(pause_s),
            )
        )
        async with self._database.begin() as connection:
            await connection.execute(statement)

    async def leave(self, organization_id: str, where: RunFilter) -> Sequence[Run]:
        """Cancels the runs that wait and match a filter by id, agent or conversation.

        Raises `ValueError` for a filter with none of these, which would end every line.
        """
        conditions: list[Any] = [runs.c.id.in_(where.ids)] if where.ids else []  # Any: SQL conditions
        conditions += [runs.c.agent_id.in_(where.agent_ids)] if where.agent_ids else []
        conditions += [runs.c.conversation_id == where.conversation_id] if where.conversation_id else []
        if not conditions:
            raise ValueError("Runs leave their line by id, agent or conversation.")
        statement = (
            update(runs)
            .where(runs.c.organization_id == organization_id, runs.c.line_place.is_not(None), *conditions)
            .values(status="cancelled", stop_reason="cancelled", completed_at=func.clock_timestamp(), line_place=None)
            .returning(*SHOWN)
        )
        async with self._database.begin() as connection:
            return [read_run(row) for row in await connection.execute(statement)]


async def claim_next(connection: AsyncConnection, owner: str, limit: int) -> Sequence[Claimed]:
    """Takes the first of each line whose conversation is free, up to `limit`. One statement.

    Where somebody took a conversation in this moment, nothing: the next call finds it so.
    """
    taken = (
        update(runs)
        .where(runs.c.id.in_(_NEXT.bindparams(limit=limit)))
        .values(
            owner=owner,
            attempt=runs.c.attempt + 1,
            status="running",
            claimed_at=func.clock_timestamp(),
            line_place=None,
        )
        .returning(*SHOWN, runs.c.request)
    )
    try:
        return [read_claimed(row) for row in await connection.execute(taken)]
    except IntegrityError:
        return []


async def tend_lines(connection: AsyncConnection, owner: str) -> Sequence[Interrupted]:
    """Ends what has waited too long; the runs of an owner that others interrupt. One statement."""
    failure = orjson.dumps(asdict(LATE)).decode()
    rows = await connection.execute(_TEND, {"owner": owner, "failure": failure})
    return [Interrupted(row.organization_id, row.id, rolls_back=row.rolls_back) for row in rows]
