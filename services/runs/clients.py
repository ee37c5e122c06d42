"""The other services, as the turn loop needs them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar, cast

import grpc

from perdure.agents.v1 import agent_service_pb2, turn_service_pb2
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceStub
from perdure.agents.v1.turn_service_pb2_grpc import TurnServiceStub
from perdure.conversation.v1.message_pb2 import Message, ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.llm_router.v1 import llm_router_service_pb2
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from perdure.runs.v1.run_pb2 import MessageDelta, ToolCallDelta, ToolOutput
from perdure.tools.v1 import tool_service_pb2
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.channels import UNARY_TIMEOUT_S
from services.common.errors import Internal, NotFound
from services.common.patience import keep_trying
from services.common.status import rpc_errors
from services.contract.on_busy import OnBusy
from services.runs.conversions import read_figures, write_figures
from services.runs.names import stop_reason_name, stop_reason_value
from services.runs.records import ModelInfo, Run, RunRequest
from services.runs.recovery.orphans import HeldTurn
from services.runs.turns.failures import is_interruption
from services.runs.turns.heartbeats import OLDER_TYPES
from services.runs.turns.history import Committed, Outcome, Snapshot, StepCommit, TurnAgent, TurnEnd, TurnState, Window
from services.runs.turns.model import Completion, Finish, Prompt
from services.runs.turns.tools import CallContext, OutputListener

COMMIT_TIMEOUT_S = 120.0  # seconds; memory tools may embed
COMPACT_TIMEOUT_S = 600.0  # seconds; the model writes a summary
COMPLETE_TIMEOUT_S = 3600.0  # seconds; the router has the finer deadlines
EXECUTE_TIMEOUT_S = 3600.0  # seconds; the tools service has the finer deadlines
BEGIN_PATIENCE_S = 20.0  # seconds that the beginning of a turn outlives an outage: a client waits for it
PATIENCE_S = 300.0  # seconds that a turn under way outlives one
PAUSE_S = 0.2  # seconds before it is called again
PAGE = 1_000  # messages asked for at once

Answer = TypeVar("Answer")
FINISHES: dict[int, Finish] = {
    llm_router_service_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
    llm_router_service_pb2.FINISH_REASON_LENGTH: "length",
    llm_router_service_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
}


class AgentsClient:
    """The turn protocol. Its calls can be repeated, so each outlives a restart of the agents service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._turns = TurnServiceStub(channel)
        self._agents = AgentServiceStub(channel)

    async def begin(self, run: Run, request: RunRequest) -> Snapshot | Outcome:
        """Takes the conversation and stores the input, or takes the turn over."""
        asked = turn_service_pb2.BeginTurnRequest(
            organization_id=run.organization_id,
            user_id=run.user_id,
            run_id=run.id,
            attempt=run.attempt,
            conversation_id=run.conversation_id,
            input=request.input,
            approvals=request.approvals,
            approval_request_id=request.approval_request_id,
        )
        patience_s = BEGIN_PATIENCE_S if run.attempt == 1 else PATIENCE_S
        answer = await _patiently(lambda: self._turns.BeginTurn(asked, timeout=UNARY_TIMEOUT_S), patience_s)
        return _outcome(answer.outcome, run) if answer.HasField("outcome") else _snapshot(answer.snapshot, run)

    async def commit(self, run: Run, step: StepCommit) -> Committed:
        """Stores a step whole."""
        asked = turn_service_pb2.CommitStepRequest(
            organization_id=run.organization_id,
            run_id=run.id,
            attempt=run.attempt,
            step=step.number,
            assistant=step.assistant,
            returns=step.returns,
            tool_message_id=step.tool_message_id,
            usage=step.usage,
            figures=write_figures(step.figures) if step.figures else None,
            end=_end(step.end) if step.end else None,
            approval_expires_s=step.approval_expires_s,
            heartbeat=turn_service_pb2.Heartbeat(**vars(step.heartbeat)) if step.heartbeat else None,
        )
        answer = await _patiently(lambda: self._turns.CommitStep(asked, timeout=COMMIT_TIMEOUT_S))
        return Committed(
            messages=list(answer.messages),
            next_step=answer.next_step,
            next_step_id=answer.next_step_id,
            window_version=answer.window_version,
            outcome=_outcome(answer.outcome, run) if answer.HasField("outcome") else None,
            system=answer.system if answer.HasField("system") else None,
            tools=list(answer.tools.tools) if answer.HasField("tools") else None,
        )

    async def end(self, run: Run, end: TurnEnd, *, attempt: int, out_of_context: bool = False) -> Outcome:
        """Ends the turn; attempt 0 ends whatever attempt has it. `out_of_context`: its messages leave the window."""
        asked = turn_service_pb2.EndTurnRequest(
            organization_id=run.organization_id,
            run_id=run.id,
            attempt=attempt,
            conversation_id=run.conversation_id,
            end=_end(end),
            out_of_context=out_of_context,
        )
        answer = await _patiently(lambda: self._turns.EndTurn(asked, timeout=UNARY_TIMEOUT_S))
        return _outcome(answer.outcome, run)

    async def list_active(self, *, min_age_s: int, after: str, limit: int) -> Sequence[HeldTurn]:
        """Turns that hold their conversations for so long, ordered by run, from the one after a run on."""
        asked = turn_service_pb2.ListActiveTurnsRequest(min_age_s=min_age_s, page_token=after, page_size=limit)
        with rpc_errors():
            found = await self._turns.ListActiveTurns(asked, timeout=UNARY_TIMEOUT_S)
        return [HeldTurn(turn.organization_id, turn.run_id, turn.conversation_id) for turn in found.turns]

    async def abandon(self, turn: HeldTurn, end: TurnEnd) -> None:
        """Ends a turn, whatever attempt has it."""
        asked = turn_service_pb2.EndTurnRequest(
            organization_id=turn.organization_id,
            run_id=turn.run_id,
            conversation_id=turn.conversation_id,
            end=_end(end),
        )
        with rpc_errors():
            await self._turns.EndTurn(asked, timeout=UNARY_TIMEOUT_S)

    async def compact(self, run: Run, window_version: int) -> Window:
        """Makes room in the window."""
        asked = turn_service_pb2.CompactTurnRequest(
            organization_id=run.organization_id, run_id=run.id, attempt=run.attempt, window_version=window_version
        )
        answer = await _patiently(lambda: self._turns.CompactTurn(asked, timeout=COMPACT_TIMEOUT_S))
        summary = answer.summary if answer.HasField("summary") else None
        return Window(list(answer.window), answer.window_version, summary)

    async def messages(self, run: Run) -> Sequence[Message]:
        """What is stored of the run, oldest first."""
        found: list[Message] = []
        while True:
            after = found[-1].id if found else ""
            page = await self.list_messages(run.organization_id, run_id=run.id, after=after, limit=PAGE)
            if not page:
                return found
            found += page

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
        """A page of what is stored of a run or a step. A cursor that does not exist raises `NotFound`."""
        asked = agent_service_pb2.ListMessagesRequest(
            organization_id=organization_id,
            run_id=run_id,
            step_id=step_id,
            before=before,
            after=after,
            limit=limit,
            descending=descending,
        )
        with rpc_errors():
            return (await self._agents.ListMessages(asked, timeout=UNARY_TIMEOUT_S)).messages

    async def on_busy(self, organization_id: str, conversation_id: str) -> OnBusy | None:
        """What a conversation does with a message while it is busy; None where it does not say, or is gone."""
        asked = agent_service_pb2.GetConversationRequest(
            organization_id=organization_id, conversation_id=conversation_id
        )
        try:
            with rpc_errors():
                found = await self._agents.GetConversation(asked, timeout=UNARY_TIMEOUT_S)
        except NotFound:
            return None
        return cast(OnBusy, found.on_busy) if found.on_busy else None

    async def find_tagged(
        self, organization_id: str, *, match_all: Sequence[str], match_some: Sequence[str], limit: int
    ) -> Sequence[str]:
        """The ids of the agents with all of some tags and one of others, up to `limit`."""
        asked = agent_service_pb2.ListAgentsRequest(
            organization_id=organization_id, tags=match_all, some_tags=match_some, page_size=limit
        )
        with rpc_errors():
            found = await self._agents.ListAgents(asked, timeout=UNARY_TIMEOUT_S)
        return [agent.id for agent in found.agents]


class RouterClient:
    """Models, through the router."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._router = LlmRouterServiceStub(channel)

    async def check(self, organization_id: str, handle: str) -> None:
        """Asks the router whether it can resolve the handle."""
        asked = llm_router_service_pb2.ResolveModelRequest(organization_id=organization_id, handle=handle)
        with rpc_errors():
            await self._router.ResolveModel(asked, timeout=UNARY_TIMEOUT_S)

    async def complete(self, prompt: Prompt, message_id: str) -> AsyncGenerator[list[MessageDelta] | Completion, None]:
        """Batches of deltas, then the whole answer. Leaving early cancels the call: the provider's socket is closed."""
        asked = llm_router_service_pb2.CompleteRequest(
            organization_id=prompt.organization_id,
            model=prompt.model,
            messages=prompt.messages,
            tools=prompt.tools,
            settings=prompt.settings,
            tool_choice=prompt.tool_choice,
            context_window=prompt.context_window,
            agent_id=prompt.agent_id,
            run_id=prompt.run_id,
            step_id=prompt.step_id,
        )
        call = self._router.Complete(asked, timeout=COMPLETE_TIMEOUT_S, wait_for_ready=True)
        try:
            with rpc_errors():
                async for batch in call:
                    deltas = [_delta(event, message_id) for event in batch.events if not event.HasField("completion")]
                    if deltas:
                        yield deltas
                    if batch.events[-1].HasField("completion"):
                        yield _completion(batch.events[-1].completion)
        finally:
            call.cancel()


class ToolsClient:
    """Tools of the server, through the tools service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._tools = ToolServiceStub(channel)

    async def execute(
        self, tool: ToolDefinition, call: ToolCall, context: CallContext, listener: OutputListener
    ) -> ToolReturn:
        """Carries one call out, passing on what it prints. Cancelling it kills the tool."""
        asked = tool_service_pb2.ExecuteRequest(
            organization_id=context.organization_id,
            tool_id=tool.id,
            call_id=call.id,
            arguments=call.arguments,
            agent_id=context.agent_id,
            run_id=context.run_id,
            environment=context.environment,
        )
        # A call that waits for the service has not been made; one that is interrupted may have been.
        stream = self._tools.Execute(asked, timeout=EXECUTE_TIMEOUT_S, wait_for_ready=True)
        try:
            with rpc_errors():
                async for event in stream:
                    if event.HasField("tool_return"):
                        return event.tool_return
                    listener.output(context.step_id, _output(call.id, event))
        finally:
            stream.cancel()
        raise Internal(f"The call of {call.name} ended without a return.")


async def _patiently(call: Callable[[], Awaitable[Answer]], patience_s: float = PATIENCE_S) -> Answer:
    """The answer of a call that may be repeated: again and again while its service is away."""

    async def translated() -> Answer:
        with rpc_errors():
            return await call()

    return await keep_trying(translated, is_interruption, patience_s=patience_s, pause_s=PAUSE_S)


def _snapshot(found: turn_service_pb2.TurnSnapshot, run: Run) -> Snapshot:
    agent = TurnAgent(
        id=found.agent.id,
        model=found.agent.model,
        settings=found.agent.settings,
        context_window=found.agent.context_window,
        agent_type=found.agent.agent_type,
        tool_rules=found.agent.tool_rules,
        thinks_aloud=found.agent.thinks_aloud and found.agent.agent_type in OLDER_TYPES,
    )
    return Snapshot(
        agent=agent,
        window=list(found.window),
        tools=list(found.tools),
        next_step=found.next_step,
        next_step_id=found.next_step_id,
        window_version=found.window_version,
        mended=list(found.mended),
        opened=found.opened,
        last_step=read_figures(found.last_step, run) if found.HasField("last_step") else None,
        pending=list(found.pending_calls),
        known=list(found.known_returns),
        pending_step_id=found.pending_step_id,
        environment=dict(found.environment),
    )


def _outcome(found: turn_service_pb2.TurnOutcome, run: Run) -> Outcome:
    return Outcome(
        state=cast(TurnState, turn_service_pb2.TurnState.Name(found.state).removeprefix("TURN_STATE_").lower()),
        stop_reason=stop_reason_name(found.stop_reason),
        error=found.error,
        closing=list(found.closing_messages),
        last_step=read_figures(found.last_step, run) if found.HasField("last_step") else None,
    )


def _end(end: TurnEnd) -> turn_service_pb2.TurnEnd:
    return turn_service_pb2.TurnEnd(
        state=turn_service_pb2.TurnState.Value(f"TURN_STATE_{end.state.upper()}"),
        stop_reason=stop_reason_value(end.stop_reason),
        error=end.error,
    )


def _delta(event: llm_router_service_pb2.CompletionEvent, message_id: str) -> MessageDelta:
    delta = MessageDelta(message_id=message_id, part_index=event.part_index)
    kind = event.WhichOneof("event")
    if kind == "text":
        delta.text = event.text
    elif kind == "reasoning":
        delta.reasoning = event.reasoning
    else:
        call = event.tool_call
        delta.tool_call.CopyFrom(ToolCallDelta(id=call.id, name=call.name, arguments=call.arguments))
    return delta


def _completion(found: llm_router_service_pb2.Completion) -> Completion:
    model = ModelInfo(
        handle=found.model.handle,
        name=found.model.name,
        provider_name=found.model.provider_name,
        provider_category=found.model.provider_category,
        endpoint=found.model.endpoint,
        context_window=found.model.context_window,
    )
    finish = FINISHES.get(found.finish_reason, "stop")
    return Completion(list(found.parts), finish, found.usage, model, found.retries)


def _output(call_id: str, event: tool_service_pb2.ExecuteResponse) -> ToolOutput:
    if event.HasField("stdout"):
        return ToolOutput(call_id=call_id, stdout=event.stdout)
    return ToolOutput(call_id=call_id, stderr=event.stderr)
