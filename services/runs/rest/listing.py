"""The REST operations that read runs and steps, or delete a run."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from perdure.conversation.v1.message_pb2 import Message
from perdure.runs.v1 import rest_pb2 as queries
from services.common.caller import Caller
from services.common.errors import Unprocessable
from services.common.pieces import EVERYTHING, Piece, Shown, render_pieces
from services.contract import runs as public_runs
from services.contract import steps as public_steps
from services.runs.records import ACTIVE_STATUSES, RunFilter, StepFilter
from services.runs.rest.resources import (
    check_run_id,
    print_run,
    print_run_metrics,
    print_run_usage,
    print_step,
    print_step_metrics,
)
from services.runs.rest.sending import shown_for
from services.runs.runs import Runs


class Messages(Protocol):
    """Where the messages of runs and steps are."""

    async def list_messages(
        self,
        organization_id: str,
        *,
        run_id: str = "",
        step_id: str = "",
        before: str = "",
        after: str = "",
        limit: int = 100,
        descending: bool = False,
    ) -> Sequence[Message]:
        """Messages in the order asked for. A cursor that does not exist raises `NotFound`."""


class ListOperations:
    """Reads what runs left behind."""

    def __init__(self, runs: Runs, messages: Messages) -> None:
        self._runs = runs
        self._messages = messages

    async def list_runs(self, caller: Caller, query: queries.ListRunsQuery, _: None) -> list[public_runs.Run]:
        """Runs, the newest first."""
        agents = [query.agent_id] if query.agent_id else []
        wanted = RunFilter(
            agent_ids=(*agents, *query.agent_ids),
            conversation_id=query.conversation_id,
            statuses=ACTIVE_STATUSES if query.active else tuple(query.statuses),  # type: ignore[arg-type]  # checked words
            background=query.background if query.HasField("background") else None,
            stop_reason=query.stop_reason,
            before=query.before,
            after=query.after,
            limit=query.limit,
            ascending=query.ascending or query.order == "asc",
        )
        return [print_run(run) for run in await self._runs.list(caller.organization_id, wanted)]

    async def list_active_runs(
        self, caller: Caller, query: queries.ListActiveRunsQuery, _: None
    ) -> list[public_runs.Run]:
        """Runs that have not ended."""
        wanted = RunFilter(
            agent_ids=(query.agent_id,) if query.agent_id else (),
            statuses=ACTIVE_STATUSES,
            background=query.background if query.HasField("background") else None,
        )
        return [print_run(run) for run in await self._runs.list(caller.organization_id, wanted)]

    async def get_run(self, caller: Caller, query: queries.GetRunQuery, _: None) -> public_runs.Run:
        """One run."""
        return print_run(await self._runs.get(caller.organization_id, check_run_id(query.run_id)))

    async def delete_run(self, caller: Caller, query: queries.DeleteRunQuery, _: None) -> None:
        """Forgets a run; its messages stay."""
        await self._runs.delete(caller.organization_id, check_run_id(query.run_id))

    async def get_run_usage(self, caller: Caller, query: queries.GetRunUsageQuery, _: None) -> public_runs.RunUsage:
        """The tokens of a run."""
        return print_run_usage(await self._runs.get(caller.organization_id, check_run_id(query.run_id)))

    async def get_run_metrics(
        self, caller: Caller, query: queries.GetRunMetricsQuery, _: None
    ) -> public_runs.RunMetrics:
        """The measurements of a run."""
        return print_run_metrics(await self._runs.get(caller.organization_id, check_run_id(query.run_id)))

    async def list_run_messages(self, caller: Caller, query: queries.ListRunMessagesQuery, _: None) -> list[Piece]:
        """The messages of a run, of the types that its caller wanted."""
        run = await self._runs.get(caller.organization_id, check_run_id(query.run_id))
        messages = await self._messages.list_messages(
            caller.organization_id,
            run_id=run.id,
            before=query.before,
            after=query.after,
            limit=query.limit,
            descending=query.order == "desc",
        )
        return _pieces(messages, shown_for(run))

    async def list_run_steps(
        self, caller: Caller, query: queries.ListRunStepsQuery, _: None
    ) -> list[public_steps.Step]:
        """The steps of a run, the newest first."""
        run = await self._runs.get(caller.organization_id, check_run_id(query.run_id))
        wanted = StepFilter(
            run_id=run.id,
            before=query.before,
            after=query.after,
            limit=query.limit,
            ascending=query.order == "asc",
        )
        return [print_step(step) for step in await self._runs.list_steps(caller.organization_id, wanted)]

    async def list_steps(self, caller: Caller, query: queries.ListStepsQuery, _: None) -> list[public_steps.Step]:
        """Steps of all runs, the newest first."""
        wanted = StepFilter(
            agent_id=query.agent_id,
            model=query.model,
            start_date=read_time(query.start_date, "start_date"),
            end_date=read_time(query.end_date, "end_date"),
            before=query.before,
            after=query.after,
            limit=query.limit,
            ascending=query.order == "asc",
        )
        return [print_step(step) for step in await self._runs.list_steps(caller.organization_id, wanted)]

    async def get_step(self, caller: Caller, query: queries.GetStepQuery, _: None) -> public_steps.Step:
        """One step."""
        return print_step(await self._runs.get_step(caller.organization_id, query.step_id))

    async def get_step_metrics(
        self, caller: Caller, query: queries.GetStepMetricsQuery, _: None
    ) -> public_steps.StepMetrics:
        """The measurements of a step."""
        return print_step_metrics(await self._runs.get_step(caller.organization_id, query.step_id))

    async def list_step_messages(self, caller: Caller, query: queries.ListStepMessagesQuery, _: None) -> list[Piece]:
        """The messages of a step."""
        step = await self._runs.get_step(caller.organization_id, query.step_id)
        messages = await self._messages.list_messages(
            caller.organization_id,
            step_id=step.id,
            before=query.before,
            after=query.after,
            limit=query.limit,
            descending=query.order == "desc",
        )
        return _pieces(messages, EVERYTHING)


def read_time(text: str, name: str) -> datetime | None:
    """A time in ISO 8601, in UTC unless it says otherwise. Raises `Unprocessable`, naming the parameter."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        problem = {"type": "datetime_parsing", "loc": ["query", name], "msg": f"{text!r} is not a time in ISO 8601."}
        raise Unprocessable([problem]) from exc


def _pieces(messages: Sequence[Message], shown: Shown) -> list[Piece]:
    return [piece for message in messages for piece in render_pieces(message, shown)]
