"""Steps and the ledger of tool calls in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import Row, select, text

from perdure.conversation.v1.message_pb2 import Message, ToolCall, ToolReturn
from services.common.database import Database, outliving_outages
from services.common.errors import Superseded
from services.runs.conversions import USAGE_FIELDS, read_usage, usage_columns
from services.runs.records import Draft, LedgerCall, ModelInfo, Run, Step, StepFilter
from services.runs.store.keyset import cut, is_backwards
from services.runs.tables import steps, tool_calls

_UPDATED = (
    *("status", "stop_reason", "attempt", "first_seq", "last_seq", "error_type", "error_detail", "tool_execution_ns"),
    *("step_ns", *USAGE_FIELDS),
)
# The run, if the attempt that writes still has it: the first part of whatever writes steps.
OWNED = "SELECT id FROM runs.runs WHERE organization_id = :organization_id AND id = :run_id AND attempt = :attempt"
# Writes any number of step rows in one statement; of rows that the ledger wrote before, only what can have changed.
SAVE_STEPS = f"""
    INSERT INTO runs.steps
    SELECT rows.* FROM owned, jsonb_populate_recordset(NULL::runs.steps, CAST(:step_rows AS jsonb)) AS rows
    ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _UPDATED)}
"""  # noqa: S608  # put together from our own column names
_SAVE_STEPS = text(f"WITH owned AS ({OWNED} FOR SHARE) {SAVE_STEPS}")

# Only the attempt that owns the run may write to its ledger.
_OPEN_CALLS = text(
    """
    WITH owned AS (
            SELECT id FROM runs.runs
            WHERE organization_id = :organization_id AND id = :run_id AND attempt = :attempt
              AND status IN ('created', 'running') FOR SHARE),
         saved AS (
            INSERT INTO runs.steps
            SELECT rows.* FROM owned, jsonb_populate_recordset(NULL::runs.steps, CAST(:step_rows AS jsonb)) AS rows
            ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt)
    INSERT INTO runs.tool_calls (run_id, number, call_id, organization_id, attempt, call)
    SELECT owned.id, :number, calls.call_id, :organization_id, :attempt, calls.call
    FROM owned, unnest(CAST(:call_ids AS text[]), CAST(:calls AS bytea[])) AS calls (call_id, call)
    ON CONFLICT (run_id, number, call_id) DO UPDATE SET attempt = excluded.attempt
    RETURNING call_id
    """
)
_CLOSE_CALL = text(
    "UPDATE runs.tool_calls SET result = :result WHERE organization_id = :organization_id AND run_id = :run_id"
    " AND number = :number AND call_id = :call_id AND attempt = :attempt"
)


class PostgresSteps:
    """Steps and the ledger. Every method is one statement in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @outliving_outages
    async def save(self, run: Run, rows: Sequence[Step]) -> None:
        """Writes steps that are committed. Raises `Superseded` where a newer attempt has the run."""
        values = {"organization_id": run.organization_id, "run_id": run.id, "attempt": run.attempt}
        async with self._database.begin() as connection:
            saved = await connection.execute(_SAVE_STEPS, {**values, "step_rows": step_rows(rows)})
        if not saved.rowcount:
            raise Superseded(f"Another process has {run.id}.")

    @outliving_outages
    async def open_calls(self, run: Run, number: int, calls: Sequence[ToolCall], draft: Draft | None) -> bool:
        """Notes calls that are about to be made, and the model call that asked for them.

        False where the run has ended or a newer attempt has it.
        """
        values = {
            "organization_id": run.organization_id,
            "run_id": run.id,
            "attempt": run.attempt,
            "number": number,
            "step_rows": step_rows([draft.step], draft) if draft else "[]",
            "call_ids": [call.id for call in calls],
            "calls": [call.SerializeToString() for call in calls],
        }
        async with self._database.begin() as connection:
            return (await connection.execute(_OPEN_CALLS, values)).first() is not None

    @outliving_outages
    async def close_call(self, run: Run, number: int, result: ToolReturn) -> None:
        """Notes what a call gave, if this attempt still has it."""
        values = {
            "organization_id": run.organization_id,
            "run_id": run.id,
            "attempt": run.attempt,
            "number": number,
            "call_id": result.call_id,
            "result": result.SerializeToString(),
        }
        async with self._database.begin() as connection:
            await connection.execute(_CLOSE_CALL, values)

    @outliving_outages
    async def draft(self, run: Run, number: int) -> Draft | None:
        """The finished model call of a step that was not committed."""
        statement = select(steps).where(
            steps.c.organization_id == run.organization_id,
            steps.c.run_id == run.id,
            steps.c.number == number,
            steps.c.completion.is_not(None),
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(statement)).first()
        if row is None:
            return None
        return Draft(_step(row), Message.FromString(row.completion), row.finish, row.tool_message_id)

    @outliving_outages
    async def calls(self, run: Run, number: int) -> dict[str, LedgerCall]:
        """The calls of a step that were begun, by call id."""
        statement = select(tool_calls).where(
            tool_calls.c.organization_id == run.organization_id,
            tool_calls.c.run_id == run.id,
            tool_calls.c.number == number,
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(statement)).all()
        return {row.call_id: _ledger_call(row) for row in rows}

    async def get(self, organization_id: str, step_id: str) -> Step | None:
        """One step."""
        statement = select(steps).where(steps.c.organization_id == organization_id, steps.c.id == step_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else _step(row)

    @outliving_outages
    async def of_run(self, organization_id: str, run_id: str) -> Sequence[Step]:
        """All steps of a run, oldest first."""
        statement = select(steps).where(steps.c.organization_id == organization_id, steps.c.run_id == run_id)
        async with self._database.begin() as connection:
            return [_step(row) for row in await connection.execute(statement.order_by(steps.c.number))]

    async def list(self, organization_id: str, wanted: StepFilter) -> Sequence[Step]:
        """Steps in the order of their creation."""
        statement = select(steps).where(steps.c.organization_id == organization_id, *_conditions(wanted))
        async with self._database.begin() as connection:
            rows = await connection.execute(cut(statement, steps, organization_id, wanted))
            found = [_step(row) for row in rows]
        return found[::-1] if is_backwards(wanted) else found


def step_rows(rows: Sequence[Step], draft: Draft | None = None) -> str:
    """Rows of `runs.steps` as JSON; with a draft, of the one step that it is for."""
    kept: dict[str, Any] = {}
    if draft is not None:
        completion = "\\x" + draft.assistant.SerializeToString().hex()
        kept = {"completion": completion, "finish": draft.finish, "tool_message_id": draft.tool_message_id}
    return orjson.dumps([_columns(step) | kept for step in rows]).decode()


def _columns(step: Step) -> dict[str, Any]:
    columns = {name: value for name, value in vars(step).items() if name not in ("model", "usage")}
    model = asdict(step.model)
    renamed = {"model_handle": model.pop("handle"), "model": model.pop("name"), "model_endpoint": model.pop("endpoint")}
    return columns | model | renamed | usage_columns(step.usage)


def _step(row: Row[Any]) -> Step:
    columns: dict[str, Any] = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public accessor
    model = ModelInfo(
        handle=row.model_handle,
        name=row.model,
        provider_name=row.provider_name,
        provider_category=row.provider_category,
        endpoint=row.model_endpoint,
        context_window=row.context_window,
    )
    own = {name: columns[name] for name in Step.__dataclass_fields__ if name not in ("model", "usage")}
    return Step(**own, model=model, usage=read_usage(columns))


def _ledger_call(row: Row[Any]) -> LedgerCall:
    result = None if row.result is None else ToolReturn.FromString(row.result)
    return LedgerCall(ToolCall.FromString(row.call), result)


def _conditions(wanted: StepFilter) -> list[Any]:  # Any: SQL conditions
    conditions: list[Any] = []
    if wanted.run_id:
        conditions.append(steps.c.run_id == wanted.run_id)
    if wanted.agent_id:
        conditions.append(steps.c.agent_id == wanted.agent_id)
    if wanted.model:
        conditions.append(steps.c.model == wanted.model)
    if wanted.start_date:
        conditions.append(steps.c.created_at >= wanted.start_date)
    if wanted.end_date:
        conditions.append(steps.c.created_at <= wanted.end_date)
    return conditions
