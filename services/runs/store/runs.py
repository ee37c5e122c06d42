"""Runs in Postgres."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import ARRAY, Text, any_, bindparam, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on

from services.common.database import Database, outliving_outages
from services.runs.conversions import USAGE_FIELDS, usage_columns
from services.runs.ending import Ending
from services.runs.records import ACTIVE_STATUSES, KeyReused, Run, RunFilter, RunRequest
from services.runs.store.children import hold_parent
from services.runs.store.insertion import insert_once, run_values
from services.runs.store.keyset import cut, is_backwards
from services.runs.store.repeated import repeated, request_hash
from services.runs.store.run_rows import (
    HAS_FOLLOWERS,
    IN_LINE_ORDER,
    RUN_COLUMNS,
    SHOWN,
    is_run,
    read_run,
)
from services.runs.store.steps import OWNED, SAVE_STEPS, step_rows
from services.runs.tables import runs

_ACTIVE = runs.c.status.in_(ACTIVE_STATUSES)

_GET = select(*SHOWN).where(runs.c.organization_id == bindparam("organization_id"), runs.c.id == bindparam("id"))

# The steps and the end of a run in one statement. A status that is final already stays; the counts are the owner's.
_IS_FINAL = "runs.status NOT IN ('created', 'running')"
_COUNTS = ", ".join(f"{name} = :{name}" for name in ("steps", "context_tokens", *USAGE_FIELDS))
_AS_ENDED = f"""
    {", ".join(f"runs.{column.name}" for column in RUN_COLUMNS)}, delivered_at IS NOT NULL AS delivered, {HAS_FOLLOWERS}
"""
_FINISH = text(
    f"""
    WITH owned AS ({OWNED} FOR UPDATE), saved AS ({SAVE_STEPS})
    UPDATE runs.runs SET
        status = CASE WHEN {_IS_FINAL} THEN runs.status ELSE :status END,
        stop_reason = CASE WHEN {_IS_FINAL} THEN stop_reason ELSE :stop_reason END,
        failure = CASE WHEN {_IS_FINAL} THEN failure ELSE CAST(:failure AS jsonb) END,
        completed_at = CASE WHEN {_IS_FINAL} THEN completed_at ELSE clock_timestamp() END,
        last_seq = :last_seq, ttft_ns = :ttft_ns, {_COUNTS},
        total_duration_ns = (extract(epoch FROM clock_timestamp() - created_at) * 1e9)::bigint,
        tools_used = CAST(:tools_used AS text[])
    WHERE id IN (SELECT id FROM owned)
    RETURNING {_AS_ENDED}
    """  # noqa: S608  # put together from our own column names
)
# The same by another's hand: what the owner knows besides, it adds if it lives.
_END = text(
    f"""
    WITH owned AS (
            SELECT id FROM runs.runs
            WHERE organization_id = :organization_id AND id = :run_id AND NOT {_IS_FINAL} FOR UPDATE),
         saved AS ({SAVE_STEPS})
    UPDATE runs.runs SET
        status = :status, stop_reason = :stop_reason, failure = CAST(:failure AS jsonb),
        completed_at = clock_timestamp(), {_COUNTS}
    WHERE id IN (SELECT id FROM owned)
    RETURNING {_AS_ENDED}
    """  # noqa: S608  # put together from our own column names
)


_RELEASE = text(
    """
    WITH released AS (
        UPDATE runs.runs SET owner = NULL, last_seq = GREATEST(last_seq, :last_seq)
        WHERE organization_id = :organization_id AND id = :id AND attempt = :attempt AND owner = :owner
          AND status IN ('created', 'running')
        RETURNING organization_id, id, attempt, COALESCE(claimed_at, created_at) AS held_since)
    INSERT INTO runs.trace_events (organization_id, run_id, attempt, owner, kind, began_at, ended_at, step_id, detail)
    SELECT organization_id, id, attempt, :owner, 'release', held_since, clock_timestamp(), '', '{}' FROM released
    """
)
_DELETE = text(
    """
    WITH gone AS (DELETE FROM runs.runs WHERE organization_id = :organization_id AND id = :id RETURNING id),
         steps AS (DELETE FROM runs.steps WHERE organization_id = :organization_id AND run_id IN (SELECT id FROM gone)),
         calls AS (
            DELETE FROM runs.tool_calls WHERE organization_id = :organization_id AND run_id IN (SELECT id FROM gone))
    SELECT id FROM gone
    """
)


class PostgresRuns:
    """Runs. Every method is one statement in a transaction of its own, unless it says otherwise."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(
        self, run_id: str, request: RunRequest, owner: str | None, *, sent: RunRequest, known: Run | None = None
    ) -> Run | None:
        """A new run; None where its conversation is busy, or the request was sent before and started a newer run
        than the one that is `known`.

        `sent` is the request as its client sent it, by which a repeated one is known. Without an agent in the request
        the run gets that of the conversation's last run. One statement more for a run with a parent, which raises
        `ParentEnded`.
        """
        values = run_values(run_id, request, owner, sent=sent)
        async with self._database.begin() as connection:
            if request.parent_run_id:
                await hold_parent(connection, request.organization_id, request.parent_run_id)
            row = (await connection.execute(insert_once(sent, known), values)).one_or_none()
        return None if row is None else read_run(row)

    async def get(self, organization_id: str, run_id: str) -> Run | None:
        """One run."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_GET, {"organization_id": organization_id, "id": run_id})).one_or_none()
        return None if row is None else read_run(row)

    async def find_repeated(self, request: RunRequest) -> Run | None:
        """The run that an earlier sending of this request started. Raises `KeyReused`."""
        statement = repeated(request)
        if statement is None:
            return None
        async with self._database.begin() as connection:
            row = (await connection.execute(statement)).first()
        if row is not None and request.request_id and row.request_hash != request_hash(request):
            raise KeyReused(row.id)
        return None if row is None else read_run(row)

    async def find_by_otid(self, organization_id: str, conversation_id: str, otid: str) -> Run | None:
        """The conversation's latest run whose input had this otid."""
        statement = select(*SHOWN).where(
            runs.c.organization_id == organization_id, runs.c.conversation_id == conversation_id, runs.c.otid == otid
        )
        return await self._first(statement.order_by(runs.c.created_at.desc()).limit(1))

    async def find_active(self, organization_id: str, conversation_id: str) -> Run | None:
        """The run that a conversation is busy with: the one that has it, else the one that waits for it first."""
        statement = select(*SHOWN).where(
            runs.c.organization_id == organization_id, runs.c.conversation_id == conversation_id, _ACTIVE
        )
        first = (runs.c.line_place.is_not(None), *IN_LINE_ORDER)
        return await self._first(statement.order_by(*first).limit(1))

    async def find_active_ids(self, run_ids: Collection[str]) -> Collection[str]:
        """Those of the runs, of whatever organisation, that are there and have not ended."""
        statement = select(runs.c.id).where(_ACTIVE, runs.c.id == any_(literal(list(run_ids), ARRAY(Text))))
        async with self._database.begin() as connection:
            return set(await connection.scalars(statement))

    async def count_waiting(self, most: int) -> int:
        """How many runs wait for a process to carry them out, counted up to a number."""
        waiting = select(runs.c.id).where(_ACTIVE, runs.c.owner.is_(None), runs.c.line_place.is_(None)).limit(most)
        async with self._database.begin() as connection:
            return (await connection.execute(select(func.count()).select_from(waiting.subquery()))).scalar_one()

    async def list(self, organization_id: str, wanted: RunFilter) -> Sequence[Run]:
        """Runs in the order of their creation."""
        statement = select(*SHOWN).where(runs.c.organization_id == organization_id, *_conditions(wanted))
        async with self._database.begin() as connection:
            rows = await connection.execute(cut(statement, runs, organization_id, wanted))
            found = [read_run(row) for row in rows]
        return found[::-1] if is_backwards(wanted) else found

    async def list_asking(self, organization_id: str, where: RunFilter) -> Sequence[Run]:
        """The last run of each conversation that ended with a request for approval. One statement."""
        statement = (
            select(*SHOWN)
            .ext(distinct_on(runs.c.conversation_id))
            .where(runs.c.organization_id == organization_id, *_conditions(where))
            .where(runs.c.stop_reason == "requires_approval")
            .order_by(runs.c.conversation_id, runs.c.completed_at.desc())
        )
        async with self._database.begin() as connection:
            return [read_run(row) for row in await connection.execute(statement)]

    @outliving_outages
    async def set_agent(self, run: Run, agent_id: str) -> None:
        """The agent of a run whose request did not name it."""
        await self._write(update(runs).where(is_run(run)).values(agent_id=agent_id))

    async def end(self, organization_id: str, run_id: str, ending: Ending) -> Run | None:
        """The end of a run that another process may be carrying out, with its steps; None where it was final before."""
        values = {"organization_id": organization_id, "run_id": run_id, **_end_values(ending)}
        async with self._database.begin() as connection:
            row = (await connection.execute(_END, values)).one_or_none()
        return None if row is None else read_run(row)

    @outliving_outages
    async def finish(self, run: Run, ending: Ending) -> Run | None:
        """The end of a run by its owner, with its steps; None where a newer attempt has it."""
        values = {
            "organization_id": run.organization_id,
            "run_id": run.id,
            "attempt": run.attempt,
            "last_seq": ending.last_seq,
            "ttft_ns": ending.ttft_ns,
            "tools_used": list(ending.tools_used),
            **_end_values(ending),
        }
        async with self._database.begin() as connection:
            row = (await connection.execute(_FINISH, values)).one_or_none()
        return None if row is None else read_run(row)

    @outliving_outages
    async def release(self, run: Run, last_seq: int) -> None:
        """Puts an active run of ours back into the queue; its trace tells so with the same statement."""
        mine = {"organization_id": run.organization_id, "id": run.id, "attempt": run.attempt, "owner": run.owner}
        async with self._database.begin() as connection:
            await connection.execute(_RELEASE, {**mine, "last_seq": last_seq})

    async def note_unlogged(self, owner: str) -> Collection[str]:
        """Events of the active runs of an owner are about to be shown that the log does not have: which these are."""
        theirs = update(runs).where(runs.c.owner == owner, _ACTIVE).values(shown_unlogged=True)
        async with self._database.begin() as connection:
            return list(await connection.scalars(theirs.returning(runs.c.id)))

    async def delete(self, organization_id: str, run_id: str) -> bool:
        """Forgets a run, its steps and its ledger; False where there is none."""
        async with self._database.begin() as connection:
            found = await connection.execute(_DELETE, {"organization_id": organization_id, "id": run_id})
            return found.first() is not None

    async def _first(self, statement: Any) -> Run | None:  # Any: a select, or an update with returning
        async with self._database.begin() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else read_run(row)

    async def _write(self, statement: Any) -> None:  # Any: an update
        async with self._database.begin() as connection:
            await connection.execute(statement)


def _end_values(ending: Ending) -> dict[str, Any]:  # Any: of the columns' types
    """What whoever ends a run writes."""
    return {
        "status": ending.status,
        "stop_reason": ending.stop_reason,
        "failure": orjson.dumps(asdict(ending.failure)).decode() if ending.failure else None,
        "steps": ending.steps_committed,
        "context_tokens": ending.context_tokens,
        "step_rows": step_rows(ending.steps),
        **usage_columns(ending.usage),
    }


def _conditions(wanted: RunFilter) -> list[Any]:  # Any: SQL conditions
    conditions: list[Any] = []
    if wanted.ids:
        conditions.append(runs.c.id.in_(wanted.ids))
    if wanted.agent_ids:
        conditions.append(runs.c.agent_id.in_(wanted.agent_ids))
    if wanted.conversation_id:
        conditions.append(runs.c.conversation_id == wanted.conversation_id)
    if wanted.statuses:
        conditions.append(runs.c.status.in_(wanted.statuses))
    if wanted.background is not None:
        conditions.append(runs.c.background == wanted.background)
    if wanted.stop_reason:
        conditions.append(runs.c.stop_reason == wanted.stop_reason)
    return conditions
