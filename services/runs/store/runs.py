"""Runs in Postgres."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import ARRAY, Row, Text, all_, and_, bindparam, case, func, literal, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from perdure.runs.v1.run_service_pb2 import StartRunRequest
from services.common.database import Database
from services.runs.conversions import USAGE_FIELDS, hash_request, read_request, read_usage, usage_columns, write_request
from services.runs.ending import Ending
from services.runs.records import ACTIVE_STATUSES, Claimed, Failure, Run, RunFilter, RunRequest
from services.runs.store.children import hold_parent
from services.runs.store.steps import OWNED, SAVE_STEPS, step_rows
from services.runs.tables import replicas, runs

RETRY_WINDOW = text("interval '10 minutes'")  # how long a client that lost its answer may come back for it
STALE = text("interval '5 seconds'")  # five missed heartbeats: the owner is dead

_UNSEEN = ("request", "request_hash", "claimed_at", "delivered_at", "callback_due_at", "callback_attempts")
_COLUMNS = [column for column in runs.c if column.name not in _UNSEEN]
SHOWN = [*_COLUMNS, runs.c.delivered_at.is_not(None).label("delivered")]
_ACTIVE = runs.c.status.in_(ACTIVE_STATUSES)

_AGENT_OF_CONVERSATION = (
    select(runs.c.agent_id)
    .where(
        runs.c.organization_id == bindparam("organization_id"),
        runs.c.conversation_id == bindparam("conversation_id"),
        runs.c.agent_id != "",
    )
    .order_by(runs.c.created_at.desc())
    .limit(1)
    .scalar_subquery()
)
_INSERT = (
    upsert(runs)
    .values(
        agent_id=func.coalesce(func.nullif(bindparam("known_agent_id"), ""), _AGENT_OF_CONVERSATION, ""),
        created_at=func.clock_timestamp(),
        claimed_at=func.clock_timestamp(),
        callback_due_at=case((bindparam("callback_url", type_=Text).is_not(None), func.clock_timestamp())),
        **{
            name: bindparam(name)
            for name in (
                "id",
                "organization_id",
                "user_id",
                "conversation_id",
                "status",
                "request",
                "request_hash",
                "request_id",
                "parent_run_id",
                "otid",
                "background",
                "run_type",
                "request_config",
                "callback_url",
                "owner",
                "attempt",
            )
        },
    )
    .on_conflict_do_nothing()
    .returning(*SHOWN)
)
_GET = select(*SHOWN).where(runs.c.organization_id == bindparam("organization_id"), runs.c.id == bindparam("id"))

# The steps and the end of a run in one statement. A status that is final already stays; the counts are the owner's.
_IS_FINAL = "runs.status NOT IN ('created', 'running')"
_FINISH = text(
    f"""
    WITH owned AS ({OWNED} FOR UPDATE), saved AS ({SAVE_STEPS})
    UPDATE runs.runs SET
        status = CASE WHEN {_IS_FINAL} THEN runs.status ELSE :status END,
        stop_reason = CASE WHEN {_IS_FINAL} THEN stop_reason ELSE :stop_reason END,
        failure = CASE WHEN {_IS_FINAL} THEN failure ELSE CAST(:failure AS jsonb) END,
        completed_at = CASE WHEN {_IS_FINAL} THEN completed_at ELSE clock_timestamp() END,
        last_seq = :last_seq, ttft_ns = :ttft_ns, steps = :steps, context_tokens = :context_tokens,
        total_duration_ns = (extract(epoch FROM clock_timestamp() - created_at) * 1e9)::bigint,
        tools_used = CAST(:tools_used AS text[]), {", ".join(f"{name} = :{name}" for name in USAGE_FIELDS)}
    WHERE id IN (SELECT id FROM owned)
    RETURNING {", ".join(f"runs.{column.name}" for column in _COLUMNS)}, delivered_at IS NOT NULL AS delivered
    """  # noqa: S608  # put together from our own column names
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


class RunStore:
    """Runs. Every method is one statement in a transaction of its own, unless it says otherwise."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, run_id: str, request: RunRequest, owner: str | None, *, sent: RunRequest) -> Run | None:
        """A new run; None where its conversation has an active run or its request id was seen.

        `sent` is the request as its client sent it, by which a repeated one is known. Without an agent in the request
        the run gets that of the conversation's last run. One statement more for a run with a parent, which raises
        `ParentEnded`.
        """
        values = {
            "id": run_id,
            "organization_id": request.organization_id,
            "user_id": request.user_id,
            "known_agent_id": request.agent_id or agent_of(request.conversation_id),
            "conversation_id": request.conversation_id,
            "status": "running" if owner else "created",
            "request": write_request(request).SerializeToString(),
            "request_hash": hash_request(write_request(sent)),
            "request_id": request.request_id or None,
            "parent_run_id": request.parent_run_id or None,
            "otid": sent.otid or None,
            "background": request.background,
            "run_type": request.run_type,
            "request_config": dict(request.request_config),
            "callback_url": request.callback_url or None,
            "owner": owner,
            "attempt": 1 if owner else 0,
        }
        async with self._database.begin() as connection:
            if request.parent_run_id:
                await hold_parent(connection, request.organization_id, request.parent_run_id)
            row = (await connection.execute(_INSERT, values)).one_or_none()
        return None if row is None else read_run(row)

    async def get(self, organization_id: str, run_id: str) -> Run | None:
        """One run."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_GET, {"organization_id": organization_id, "id": run_id})).one_or_none()
        return None if row is None else read_run(row)

    async def find_repeated(self, request: RunRequest) -> Run | None:
        """The run that an earlier sending of this request started.

        By its request id; by the otid of a background send in the conversation; for a client's retry the conversation's
        latest run, if its request was equal, is recent and its answer was not delivered.
        """
        same_request = and_(
            literal(request.retry_count > 0),
            runs.c.request_hash == hash_request(write_request(request)),
            runs.c.delivered_at.is_(None),
            runs.c.created_at > func.clock_timestamp() - RETRY_WINDOW,
            runs.c.id == _latest_of(request),
        )
        same_otid = and_(
            literal(bool(request.background and request.otid)), runs.c.background, runs.c.otid == request.otid
        )
        in_conversation = and_(runs.c.conversation_id == request.conversation_id, or_(same_otid, same_request))
        same_id = and_(literal(bool(request.request_id)), runs.c.request_id == request.request_id)
        statement = (
            select(*SHOWN)
            .where(runs.c.organization_id == request.organization_id, or_(same_id, in_conversation))
            .order_by(runs.c.created_at.desc())
            .limit(1)
        )
        return await self._first(statement)

    async def find_by_otid(self, organization_id: str, conversation_id: str, otid: str) -> Run | None:
        """The conversation's latest run whose input had this otid."""
        statement = select(*SHOWN).where(
            runs.c.organization_id == organization_id, runs.c.conversation_id == conversation_id, runs.c.otid == otid
        )
        return await self._first(statement.order_by(runs.c.created_at.desc()).limit(1))

    async def find_active(self, organization_id: str, conversation_id: str) -> Run | None:
        """The run that a conversation is busy with."""
        statement = select(*SHOWN).where(
            runs.c.organization_id == organization_id, runs.c.conversation_id == conversation_id, _ACTIVE
        )
        return await self._first(statement)

    async def list(self, organization_id: str, wanted: RunFilter) -> Sequence[Run]:
        """Runs in the order of their creation."""
        statement = select(*SHOWN).where(runs.c.organization_id == organization_id, *_conditions(wanted))
        for cursor, forward in ((wanted.after, True), (wanted.before, False)):
            if cursor:
                statement = statement.where(_beyond(organization_id, cursor, rising=wanted.ascending is forward))
        keys = (runs.c.created_at, runs.c.id)
        # `before` alone asks for the items next to the cursor: they are read backwards and turned round.
        backwards = bool(wanted.before and not wanted.after)
        rising = wanted.ascending is not backwards
        statement = statement.order_by(*(key if rising else key.desc() for key in keys)).limit(wanted.limit)
        async with self._database.begin() as connection:
            rows = (await connection.execute(statement)).all()
        found = [read_run(row) for row in rows]
        return found[::-1] if backwards else found

    async def set_agent(self, run: Run, agent_id: str) -> None:
        """The agent of a run whose request did not name it."""
        await self._write(update(runs).where(_is(run)).values(agent_id=agent_id))

    async def end(self, organization_id: str, run_id: str, ending: Ending) -> Run | None:
        """The final status of a run that another process may be carrying out; None where it was final before."""
        statement = (
            update(runs)
            .where(runs.c.organization_id == organization_id, runs.c.id == run_id, _ACTIVE)
            .values(
                status=ending.status,
                stop_reason=ending.stop_reason,
                failure=asdict(ending.failure) if ending.failure else None,
                completed_at=func.clock_timestamp(),
            )
            .returning(*SHOWN)
        )
        return await self._first(statement)

    async def finish(self, run: Run, ending: Ending) -> Run | None:
        """The end of a run by its owner, with its steps; None where a newer attempt has it."""
        values = {
            "organization_id": run.organization_id,
            "run_id": run.id,
            "attempt": run.attempt,
            "status": ending.status,
            "stop_reason": ending.stop_reason,
            "failure": orjson.dumps(asdict(ending.failure)).decode() if ending.failure else None,
            "last_seq": ending.last_seq,
            "ttft_ns": ending.ttft_ns,
            "steps": ending.steps_committed,
            "context_tokens": ending.context_tokens,
            "tools_used": list(ending.tools_used),
            "step_rows": step_rows(ending.steps),
            **usage_columns(ending.usage),
        }
        async with self._database.begin() as connection:
            row = (await connection.execute(_FINISH, values)).one_or_none()
        return None if row is None else read_run(row)

    async def release(self, run: Run, last_seq: int) -> None:
        """Puts an active run of ours back into the queue."""
        mine = and_(_is(run), runs.c.attempt == run.attempt, _ACTIVE)
        await self._write(update(runs).where(mine).values(owner=None, last_seq=last_seq))

    async def delete(self, organization_id: str, run_id: str) -> bool:
        """Forgets a run, its steps and its ledger; False where there is none."""
        async with self._database.begin() as connection:
            found = await connection.execute(_DELETE, {"organization_id": organization_id, "id": run_id})
            return found.first() is not None

    async def claim(
        self, connection: AsyncConnection, owner: str, mine: Collection[str], limit: int
    ) -> Sequence[Claimed]:
        """Takes waiting runs, those whose owner died, and our own that we do not know of (`mine`), up to `limit`."""
        since = func.coalesce(
            runs.c.claimed_at, runs.c.created_at
        )  # a run that is stored in this moment is no lost one
        long_ago = since < func.clock_timestamp() - STALE
        forgotten = and_(runs.c.owner == owner, runs.c.id != all_(literal(list(mine), ARRAY(Text))), long_ago)
        alive = select(replicas.c.owner).where(
            replicas.c.owner == runs.c.owner, replicas.c.heartbeat_at > func.clock_timestamp() - STALE
        )
        free = (
            select(runs.c.id)
            .where(_ACTIVE, or_(runs.c.owner.is_(None), ~alive.exists(), forgotten))
            .order_by(runs.c.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(runs)
            .where(runs.c.id.in_(free.scalar_subquery()))
            .values(
                owner=owner,
                attempt=runs.c.attempt + 1,
                losses=runs.c.losses + func.num_nonnulls(runs.c.owner),
                status="running",
                claimed_at=func.clock_timestamp(),
            )
            .returning(*SHOWN, runs.c.request)
        )
        return [_claimed(row) for row in await connection.execute(taken)]

    async def _first(self, statement: Any) -> Run | None:  # Any: a select, or an update with returning
        async with self._database.begin() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else read_run(row)

    async def _write(self, statement: Any) -> None:  # Any: an update
        async with self._database.begin() as connection:
            await connection.execute(statement)


def agent_of(conversation_id: str) -> str:
    """The agent of a conversation, where its key says so: an agent's own history."""
    return conversation_id if conversation_id.startswith("agent-") else ""


def read_run(row: Row[Any]) -> Run:
    """A run from its columns."""
    columns: dict[str, Any] = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public accessor
    usage = read_usage(columns)
    fields = {name: value for name, value in columns.items() if name not in (*USAGE_FIELDS, "request")}
    failure: Mapping[str, Any] | None = fields.pop("failure")
    fields["otid"] = fields["otid"] or ""
    fields["request_id"] = fields["request_id"] or ""
    fields["tools_used"] = tuple(fields["tools_used"])
    return Run(**fields, usage=usage, failure=Failure(**failure) if failure else None)


def _claimed(row: Row[Any]) -> Claimed:
    return Claimed(read_run(row), read_request(StartRunRequest.FromString(row.request)))


def _is(run: Run) -> Any:  # Any: a SQL condition
    return and_(runs.c.organization_id == run.organization_id, runs.c.id == run.id)


def _latest_of(request: RunRequest) -> Any:  # Any: a scalar subquery
    return (
        select(runs.c.id)
        .where(runs.c.organization_id == request.organization_id, runs.c.conversation_id == request.conversation_id)
        .order_by(runs.c.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )


def _conditions(wanted: RunFilter) -> list[Any]:  # Any: SQL conditions
    conditions: list[Any] = []
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


def _beyond(organization_id: str, cursor: str, *, rising: bool) -> Any:  # Any: a SQL condition
    edge = select(runs.c.created_at, runs.c.id).where(runs.c.organization_id == organization_id, runs.c.id == cursor)
    key = tuple_(runs.c.created_at, runs.c.id)
    return key > edge.scalar_subquery() if rising else key < edge.scalar_subquery()
