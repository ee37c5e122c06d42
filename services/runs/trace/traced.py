"""What a turn works with, each call noted in the trace."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, TOOL_STATUS_SUCCESS, Message, ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.runs.v1.run_pb2 import MessageDelta
from services.common.errors import PerdureError, Superseded
from services.common.pairing import repair
from services.runs.ending import Ending
from services.runs.records import Run, RunRequest
from services.runs.trace.events import Trace, describe_end
from services.runs.turns.history import Committed, History, Outcome, Snapshot, StepCommit, TurnEnd, Window
from services.runs.turns.model import Completion, Model, Prompt
from services.runs.turns.services import RunRecords, Services
from services.runs.turns.tools import CallContext, OutputListener, Tools

_current: ContextVar[Run | None] = ContextVar("current_run", default=None)  # prompts and calls name no more than its id


def traced(services: Services, trace: Trace) -> Services:
    """The same services, with notes of what is asked of them."""
    return replace(
        services,
        history=TracedHistory(services.history, trace),
        model=TracedModel(services.model, trace),
        tools=TracedTools(services.tools, trace),
        runs=TracedRecords(services.runs, trace),
    )


@dataclass(frozen=True)
class TracedHistory:
    """Notes attempts, commits, compactions, repairs and cancels."""

    history: History
    trace: Trace

    async def begin(self, run: Run, request: RunRequest) -> Snapshot | Outcome:
        """Takes the conversation, or takes the turn over."""
        began_at = datetime.now(UTC)
        _current.set(run)
        try:
            begun = await self.history.begin(run, request)
        except PerdureError as error:
            self._tell(run, error, began_at)
            raise
        if run.taken_from:
            self.trace.note(run, "takeover", taken_from=run.taken_from)
        self.trace.note(run, "attempt", began_at=began_at, taken_over=str(run.attempt > 1).lower(), losses=run.losses)
        if isinstance(begun, Snapshot) and begun.mended:
            self.trace.note(run, "repair", problems=list(begun.mended))
        return begun

    async def commit(self, run: Run, step: StepCommit) -> Committed:
        """Stores a step."""
        began_at = datetime.now(UTC)
        try:
            committed = await self.history.commit(run, step)
        except PerdureError as error:
            self._tell(run, error, began_at)
            raise
        self.trace.note(
            run,
            "commit",
            began_at=began_at,
            step_id=next((message.step_id for message in committed.messages), ""),
            step=step.number,
            messages=len(committed.messages),
            ended=committed.outcome.state if committed.outcome else None,
        )
        return committed

    async def end(self, run: Run, end: TurnEnd, *, attempt: int, out_of_context: bool = False) -> Outcome:
        """Ends the turn; attempt 0 is a cancel from outside."""
        began_at = datetime.now(UTC)
        outcome = await self.history.end(run, end, attempt=attempt, out_of_context=out_of_context)
        if attempt == 0:
            self.trace.note(run, "cancel", began_at=began_at, state=outcome.state)
        return outcome

    async def compact(self, run: Run, window_version: int) -> Window:
        """Makes room in the window."""
        began_at = datetime.now(UTC)
        window = await self.history.compact(run, window_version)
        self.trace.note(run, "compaction", began_at=began_at, messages=len(window.messages))
        return window

    async def messages(self, run: Run) -> Sequence[Message]:
        """What is stored of the run."""
        return await self.history.messages(run)

    def _tell(self, run: Run, error: PerdureError, began_at: datetime) -> None:
        if isinstance(error, Superseded):
            self.trace.note(run, "superseded", began_at=began_at, why=str(error.detail))


@dataclass(frozen=True)
class TracedModel:
    """Notes every call of a model, those that failed or were broken off too."""

    model: Model
    trace: Trace

    async def check(self, organization_id: str, handle: str) -> None:
        """Raises for the handle of no model."""
        await self.model.check(organization_id, handle)

    async def complete(self, prompt: Prompt, message_id: str) -> AsyncGenerator[list[MessageDelta] | Completion, None]:
        """The answer, in pieces."""
        began_at, outcome, whole, retries = datetime.now(UTC), "broken_off", None, 0
        self._check(prompt)
        try:
            async with aclosing(self.model.complete(prompt, message_id)) as answer:
                async for item in answer:
                    if isinstance(item, Completion):
                        outcome, whole, retries = "ok", item, item.retries
                    yield item
        except PerdureError as error:
            outcome, retries = error.reason.lower(), int(error.metadata.get("retries", 0))
            raise
        finally:
            self._tell(prompt, began_at, outcome, whole, retries)

    def _check(self, prompt: Prompt) -> None:
        """The router mends what breaks the rule of pairs; this says so."""
        run, problems = _current.get(), repair(_since_last_answer(prompt.messages)).problems
        if run is not None and problems:
            self.trace.note(run, "repair", step_id=prompt.step_id, problems=problems)

    def _tell(self, prompt: Prompt, began_at: datetime, outcome: str, whole: Completion | None, retries: int) -> None:
        run = _current.get()
        if run is None:
            return
        self.trace.note(
            run,
            "model_call",
            began_at=began_at,
            step_id=prompt.step_id,
            model=prompt.model,
            outcome=outcome,
            retries=retries or None,
            finish=whole.finish if whole else None,
            prompt_tokens=whole.usage.prompt_tokens if whole else None,
            completion_tokens=whole.usage.completion_tokens if whole else None,
        )


def _since_last_answer(messages: Sequence[Message]) -> Sequence[Message]:
    """The end of a prompt: what is before it was looked at when that answer was asked for, or as the turn began."""
    answers = (at for at in reversed(range(len(messages))) if messages[at].role == ROLE_ASSISTANT)
    return messages[next(answers, 0) :]


@dataclass(frozen=True)
class TracedTools:
    """Notes every call of a tool."""

    tools: Tools
    trace: Trace

    async def execute(
        self, tool: ToolDefinition, call: ToolCall, context: CallContext, listener: OutputListener
    ) -> ToolReturn:
        """Carries one call out."""
        began_at, status = datetime.now(UTC), "broken_off"
        try:
            returned = await self.tools.execute(tool, call, context, listener)
            status = "success" if returned.status == TOOL_STATUS_SUCCESS else "error"
        except PerdureError as error:
            status = error.reason.lower()
            raise
        finally:
            self._tell(call, context, began_at, status)
        return returned

    def _tell(self, call: ToolCall, context: CallContext, began_at: datetime, status: str) -> None:
        run = _current.get()
        if run is not None:
            told = {"tool": call.name, "call_id": call.id, "status": status}
            self.trace.note(run, "tool_call", began_at=began_at, step_id=context.step_id, **told)


@dataclass(frozen=True)
class TracedRecords:
    """Notes the ends of runs, and those that were given back."""

    records: RunRecords
    trace: Trace

    async def finish(self, run: Run, ending: Ending) -> Run | None:
        """Stores the end."""
        stored = await self.records.finish(run, ending)
        if stored is not None:
            self.trace.note(run, "end", began_at=run.created_at, **describe_end(stored))
        return stored

    async def set_agent(self, run: Run, agent_id: str) -> None:
        """The agent of a run."""
        await self.records.set_agent(run, agent_id)

    async def release(self, run: Run, last_seq: int) -> None:
        """Gives a run back."""
        await self.records.release(run, last_seq)
        self.trace.note(run, "release")

    async def delete(self, organization_id: str, run_id: str) -> bool:
        """Forgets a run that was refused."""
        return await self.records.delete(organization_id, run_id)
