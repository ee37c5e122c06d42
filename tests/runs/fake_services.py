# ruff: noqa: N802  # gRPC's names
"""The other three services, small and strict, in this process: they speak the typed protos."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from perdure.agents.v1 import agent_service_pb2, agent_service_pb2_grpc, turn_service_pb2, turn_service_pb2_grpc
from perdure.agents.v1.agent_pb2 import Agent
from perdure.agents.v1.turn_service_pb2 import (
    TURN_STATE_ACTIVE,
    TURN_STATE_CANCELLED,
    StepFigures,
    TurnEnd,
    TurnOutcome,
    TurnSnapshot,
)
from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SUMMARY,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    STOP_REASON_REQUIRES_APPROVAL,
    TOOL_STATUS_ERROR,
    TOOL_STATUS_SUCCESS,
    Message,
    Part,
    ToolCall,
    ToolReturn,
    Usage,
)
from perdure.conversation.v1.model_pb2 import TOOL_KIND_MEMORY, TOOL_KIND_SERVER, ToolDefinition
from perdure.llm_router.v1 import llm_router_service_pb2, llm_router_service_pb2_grpc
from perdure.llm_router.v1.llm_router_service_pb2 import FINISH_REASON_STOP, Completion, CompletionEvent, FinishReason
from perdure.tools.v1 import tool_service_pb2, tool_service_pb2_grpc
from services.common.errors import Conflict, Internal, NotFound, PerdureError, Superseded
from services.common.ids import new_id

ANSWER_TOKENS = 5  # what each model call of the fake costs
PROMPT_TOKENS = 10


@dataclass
class FakeTurn:
    run_id: str
    conversation_id: str
    attempt: int
    step: int = 1
    step_id: str = field(default_factory=lambda: new_id("step"))
    outcome: TurnOutcome | None = None
    commits: dict[int, turn_service_pb2.CommitStepResponse] = field(default_factory=dict)
    pending: list[ToolCall] = field(default_factory=list)
    pending_step_id: str = ""
    last_step: StepFigures | None = None


class FakeAgents(turn_service_pb2_grpc.TurnServiceServicer, agent_service_pb2_grpc.AgentServiceServicer):
    """Histories and turns in memory. `lose_answer` names RPCs whose next answer is lost after they took effect."""

    def __init__(self) -> None:
        self.tools: list[ToolDefinition] = []
        self.context_window = 0
        self.tool_rules = ""
        self.agent_type = ""
        self.thinks_aloud = False
        self.histories: dict[str, list[Message]] = defaultdict(list)
        self.turns: dict[str, FakeTurn] = {}
        self.missing: set[str] = set()
        self.tagged: list[str] = []
        self.compactions = 0
        self.on_busy = ""
        self.rolled_back: list[str] = []
        self.lose_answer: set[str] = set()
        self.calls: list[str] = []
        self.begin_failures: list[PerdureError] = []
        self.begins: list[turn_service_pb2.BeginTurnRequest] = []
        self.hold_begin = asyncio.Event()
        self.hold_begin.set()

    async def BeginTurn(self, request: Any, context: Any) -> turn_service_pb2.BeginTurnResponse:
        self.calls.append("BeginTurn")
        self.begins.append(request)
        await self.hold_begin.wait()
        if self.begin_failures:
            raise self.begin_failures.pop()
        if request.conversation_id in self.missing:
            raise NotFound("There is no such conversation.")
        known = self.turns.get(request.run_id)
        turn = known or self._open(request)
        if turn.outcome is not None:
            return turn_service_pb2.BeginTurnResponse(outcome=turn.outcome)
        if request.attempt < turn.attempt:
            raise Superseded("A newer attempt has the turn.")
        turn.attempt = request.attempt
        if "BeginTurn" in self.lose_answer:
            raise Internal("The answer could not be sent.")
        snapshot = self._snapshot(turn)
        snapshot.opened = known is None
        return turn_service_pb2.BeginTurnResponse(snapshot=snapshot)

    async def CommitStep(self, request: Any, context: Any) -> turn_service_pb2.CommitStepResponse:
        self.calls.append("CommitStep")
        turn = self._fenced(request)
        if request.step in turn.commits:
            return turn.commits[request.step]
        if turn.outcome is not None:
            return turn_service_pb2.CommitStepResponse(outcome=turn.outcome)
        assert request.step == turn.step, "a step out of turn"
        messages = self._store(turn, request)
        assert request.HasField("figures") == request.HasField("assistant"), "figures are those of a model's step"
        if request.HasField("figures"):
            turn.last_step = request.figures
        turn.step += 1
        turn.step_id = new_id("step")
        if request.HasField("end"):
            turn.outcome = _outcome(request.end, turn)
        answer = turn_service_pb2.CommitStepResponse(
            messages=messages,
            next_step=turn.step,
            next_step_id=turn.step_id,
            outcome=turn.outcome,
            window_version=turn.step,
        )
        turn.commits[request.step] = answer
        if "CommitStep" in self.lose_answer:
            self.lose_answer.discard("CommitStep")
            await asyncio.Event().wait()
        return answer

    async def EndTurn(self, request: Any, context: Any) -> turn_service_pb2.EndTurnResponse:
        self.calls.append("EndTurn")
        self.rolled_back += [request.run_id] if request.out_of_context else []
        turn = self.turns.setdefault(request.run_id, FakeTurn(request.run_id, request.conversation_id, request.attempt))
        if turn.outcome is None:
            if request.attempt:
                self._fenced(request)
            turn.outcome = _outcome(request.end, turn)
            return turn_service_pb2.EndTurnResponse(outcome=turn.outcome)
        waits = turn.outcome.stop_reason == STOP_REASON_REQUIRES_APPROVAL and request.end.state == TURN_STATE_CANCELLED
        return turn_service_pb2.EndTurnResponse(outcome=self._deny(turn) if waits else turn.outcome)

    async def ListActiveTurns(self, request: Any, context: Any) -> turn_service_pb2.ListActiveTurnsResponse:
        """No turn of the fake grows old."""
        held = [turn for turn in self.turns.values() if turn.outcome is None and turn.run_id > request.page_token]
        rows = [
            {"organization_id": "org", "run_id": one.run_id, "conversation_id": one.conversation_id} for one in held
        ]
        turns = [turn_service_pb2.ActiveTurn(**row) for row in rows] if not request.min_age_s else []
        return turn_service_pb2.ListActiveTurnsResponse(turns=sorted(turns, key=lambda turn: turn.run_id))

    async def GetConversation(self, request: Any, context: Any) -> agent_service_pb2.GetConversationResponse:
        return agent_service_pb2.GetConversationResponse(on_busy=self.on_busy)

    async def CompactTurn(self, request: Any, context: Any) -> turn_service_pb2.CompactTurnResponse:
        self.compactions += 1
        turn = self._fenced(request)
        history = self.histories[turn.conversation_id]
        summary = Message(id=new_id("message"), role=ROLE_SUMMARY, parts=[Part(text="summary")], run_id=turn.run_id)
        history[1:-1] = [summary]
        return turn_service_pb2.CompactTurnResponse(window=history, window_version=99, summary=summary)

    async def ListMessages(self, request: Any, context: Any) -> agent_service_pb2.ListMessagesResponse:
        self.calls.append("ListMessages")
        assert request.run_id, "the fake lists by run only"
        messages = [each for history in self.histories.values() for each in history if each.run_id == request.run_id]
        return agent_service_pb2.ListMessagesResponse(messages=messages if not request.after else [])

    async def ListAgents(self, request: Any, context: Any) -> agent_service_pb2.ListAgentsResponse:
        self.calls.append(f"ListAgents {list(request.tags)} {list(request.some_tags)}")
        return agent_service_pb2.ListAgentsResponse(agents=[Agent(id=agent_id) for agent_id in self.tagged])

    def _open(self, request: Any) -> FakeTurn:
        busy = next(
            (t for t in self.turns.values() if t.conversation_id == request.conversation_id and not t.outcome), None
        )
        if busy:
            raise Conflict("is currently being processed", metadata={"run_id": busy.run_id})
        history = self.histories[request.conversation_id]
        if not history:
            history.append(Message(id=new_id("message"), role=ROLE_SYSTEM, parts=[Part(text="system")]))
        turn = FakeTurn(request.run_id, request.conversation_id, request.attempt)
        asked = next((message for message in reversed(history) if message.role == ROLE_ASSISTANT), None)
        if self._asks(request.conversation_id) and not request.approvals:
            raise _pending()
        if request.approvals:
            assert asked is not None
            turn.pending = [part.tool_call for part in asked.parts if part.HasField("tool_call")]
            turn.pending_step_id = asked.step_id
        for message in request.input:
            otid = message.otid or new_id("otid")
            stored = Message(id=new_id("message"), role=message.role, parts=message.parts, otid=otid)
            stored.run_id = request.run_id
            history.append(stored)
        self.turns[request.run_id] = turn
        return turn

    def _asks(self, conversation_id: str) -> bool:
        """Whether the last turn of a conversation waits for an approval."""
        turns = [turn for turn in self.turns.values() if turn.conversation_id == conversation_id and turn.outcome]
        last = turns[-1].outcome if turns else None
        return last is not None and last.stop_reason == STOP_REASON_REQUIRES_APPROVAL and not last.closing_messages

    def _snapshot(self, turn: FakeTurn) -> TurnSnapshot:
        snapshot = TurnSnapshot(
            window=self.histories[turn.conversation_id],
            tools=self.tools,
            next_step=turn.step,
            next_step_id=turn.step_id,
            window_version=turn.step,
            pending_calls=turn.pending if turn.step == 1 else [],
            pending_step_id=turn.pending_step_id,
            last_step=turn.last_step,
        )
        snapshot.agent.id = turn.conversation_id.replace("conv-", "agent-")
        snapshot.agent.model = "fake/model"
        snapshot.agent.context_window = self.context_window
        snapshot.agent.tool_rules = self.tool_rules
        snapshot.agent.agent_type = self.agent_type
        snapshot.agent.thinks_aloud = self.thinks_aloud
        return snapshot

    def _fenced(self, request: Any) -> FakeTurn:
        turn = self.turns[request.run_id]
        if request.attempt < turn.attempt:
            raise Superseded("A newer attempt has the turn.")
        return turn

    def _store(self, turn: FakeTurn, request: Any) -> list[Message]:
        stored = [request.assistant] if request.HasField("assistant") else []
        answering = not request.HasField("assistant")
        calls = turn.pending if answering else [p.tool_call for p in request.assistant.parts if p.HasField("tool_call")]
        kinds = {tool.name: tool.kind for tool in self.tools}
        given = {each.call_id: each for each in request.returns}
        for call in calls:
            if kinds.get(call.name) == TOOL_KIND_MEMORY and call.id not in given:
                given[call.id] = ToolReturn(
                    call_id=call.id, name=call.name, status=TOOL_STATUS_SUCCESS, value="remembered"
                )
        if any(call.needs_approval for call in calls) and not answering:
            assert not given, "no call runs while one waits"
        else:
            assert given.keys() == {call.id for call in calls}, "each call needs its return"
        if given:
            step_id = turn.pending_step_id if answering else turn.step_id
            parts = [Part(tool_return=given[call.id]) for call in calls]
            stored.append(
                Message(id=request.tool_message_id, role=ROLE_TOOL, parts=parts, run_id=turn.run_id, step_id=step_id)
            )
        if request.HasField("heartbeat"):
            text = Part(text=request.heartbeat.reason)
            stored.append(Message(id=request.heartbeat.message_id, role=ROLE_USER, parts=[text], run_id=turn.run_id))
        self.histories[turn.conversation_id] += stored
        return stored

    def _deny(self, turn: FakeTurn) -> TurnOutcome:
        denied = TurnOutcome(state=turn.outcome.state, stop_reason=turn.outcome.stop_reason) if turn.outcome else None
        assert denied is not None
        part = Part(tool_return=ToolReturn(call_id="call", status=TOOL_STATUS_ERROR, value="denied"))
        turn.outcome = denied
        denied.closing_messages.append(Message(id=new_id("message"), role=ROLE_TOOL, parts=[part], run_id=turn.run_id))
        return denied

    def texts(self, conversation_id: str, role: int = ROLE_ASSISTANT) -> list[str]:
        history = self.histories[conversation_id]
        return [part.text for message in history if message.role == role for part in message.parts if part.text]


def _pending() -> Conflict:
    refusal = Conflict("The conversation waits for an approval.")
    refusal.reason = "PENDING_APPROVAL"
    return refusal


def _outcome(end: TurnEnd, turn: FakeTurn) -> TurnOutcome:
    assert end.state != TURN_STATE_ACTIVE
    return TurnOutcome(state=end.state, stop_reason=end.stop_reason, error=end.error, last_step=turn.last_step)


Say = Callable[[Any], AsyncIterator[CompletionEvent]]


class FakeRouter(llm_router_service_pb2_grpc.LlmRouterServiceServicer):
    """Says what the script says, an item for each call; after the script, it says "done"."""

    def __init__(self) -> None:
        self.script: list[Say] = []
        self.requests: list[Any] = []
        self.cancelled = 0

    async def ResolveModel(self, request: Any, context: Any) -> llm_router_service_pb2.ResolveModelResponse:
        return llm_router_service_pb2.ResolveModelResponse()

    async def Complete(self, request: Any, context: Any) -> AsyncIterator[llm_router_service_pb2.CompleteResponse]:
        self.requests.append(request)
        say = self.script.pop(0) if self.script else says("done")
        try:
            async for event in say(request):
                yield llm_router_service_pb2.CompleteResponse(events=[event])
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def says(
    *words: str,
    gate: asyncio.Event | None = None,
    finish: FinishReason.ValueType = FINISH_REASON_STOP,
    calls: Sequence[ToolCall] = (),
) -> Say:
    """Text word by word, waiting at the gate before the last; then calls; then the end."""

    async def stream(request: Any) -> AsyncIterator[CompletionEvent]:
        for index, word in enumerate(words):
            if gate is not None and index == len(words) - 1:
                await gate.wait()
            yield CompletionEvent(part_index=0, text=word)
        parts = [Part(text="".join(words))] if words else []
        for call in calls:
            delta = llm_router_service_pb2.ToolCallDelta(id=call.id, name=call.name, arguments=call.arguments)
            yield CompletionEvent(part_index=len(parts), tool_call=delta)
            parts.append(Part(tool_call=call))
        usage = Usage(
            prompt_tokens=PROMPT_TOKENS, completion_tokens=ANSWER_TOKENS, total_tokens=PROMPT_TOKENS + ANSWER_TOKENS
        )
        completion = Completion(parts=parts, finish_reason=finish, usage=usage)
        completion.model.handle = request.model
        yield CompletionEvent(completion=completion)

    return stream


def fails(error: PerdureError, *words: str) -> Say:
    async def stream(request: Any) -> AsyncIterator[CompletionEvent]:
        for word in words:
            yield CompletionEvent(part_index=0, text=word)
        raise error

    return stream


class FakeTools(tool_service_pb2_grpc.ToolServiceServicer):
    """Runs `behaviour`, by default an echo of the arguments; notes each call."""

    def __init__(self) -> None:
        self.executed: list[str] = []
        self.cancelled = 0
        self.behaviour: Callable[[Any], Awaitable[str]] = echo

    async def Execute(self, request: Any, context: Any) -> AsyncIterator[tool_service_pb2.ExecuteResponse]:
        self.executed.append(request.call_id)
        yield tool_service_pb2.ExecuteResponse(stdout="working\n")
        try:
            value = await self.behaviour(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        returned = ToolReturn(call_id=request.call_id, status=TOOL_STATUS_SUCCESS, value=value, executed=True)
        returned.name = request.tool_id.removeprefix("tool-")
        yield tool_service_pb2.ExecuteResponse(tool_return=returned)


async def echo(request: Any) -> str:
    return str(request.arguments)


def tool(name: str, kind: int = TOOL_KIND_SERVER, **fields: Any) -> ToolDefinition:
    return ToolDefinition(id=f"tool-{name}", name=name, kind=kind, **{"parallel": True, **fields})  # type: ignore[arg-type]


def call(name: str, call_id: str = "call-1", arguments: str = "{}") -> ToolCall:
    return ToolCall(id=call_id, name=name, arguments=arguments)


def user(text: str, otid: str = "") -> Message:
    return Message(role=ROLE_USER, parts=[Part(text=text)], otid=otid)
