"""An agents service with one agent, its turns behind a real channel, and what its neighbours would bring as fakes."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from perdure.agents.v1 import turn_service_pb2 as pb
from perdure.agents.v1.turn_service_pb2_grpc import TurnServiceStub, add_TurnServiceServicer_to_server
from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_USER,
    STOP_REASON_CANCELLED,
    STOP_REASON_END_TURN,
    STOP_REASON_REQUIRES_APPROVAL,
    TOOL_STATUS_SUCCESS,
    ApprovalAnswer,
    Message,
    Part,
    ToolCall,
    ToolReturn,
)
from perdure.llm_router.v1 import llm_router_service_pb2 as router_pb
from perdure.llm_router.v1.llm_router_service_pb2_grpc import (
    LlmRouterServiceServicer,
    add_LlmRouterServiceServicer_to_server,
)
from services.agents.agents.store import PostgresAgents
from services.agents.agents.tables import agents
from services.agents.archives.clients import RouterEmbedder
from services.agents.archives.embedding import Embedding, Vectors
from services.agents.conversations.store.history import PostgresHistory
from services.agents.memory.calls import MemoryCalls
from services.agents.memory.store import PostgresBlocks
from services.agents.memory.workbench import CallingAgent
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.messages.store import PostgresMessages
from services.agents.turns.clients import RouterSummarizer
from services.agents.turns.rest import WindowOperations
from services.agents.turns.summaries import Summaries
from services.agents.turns.unanswered import UnansweredRequests
from services.agents.turns.wiring import TurnParts
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.channels import open_channel
from services.common.database import Database, Transaction, open_engine
from services.common.errors import InvalidArgument, Unavailable
from services.common.ids import new_id
from services.common.server import ErrorInterceptor
from services.common.status import rpc_errors

ORGANIZATION = DEFAULT_ORGANIZATION_ID
LLM_CONFIG = {"model": "m", "model_endpoint_type": "openai", "context_window": 1000, "handle": "openai/m"}
CALL = ToolCall(id="call_1", name="roll", arguments="{}")


class Prompts:
    """Compiles a prompt that says what it is for."""

    def __init__(self, history: PostgresHistory) -> None:
        self._history = history

    async def compile_for(self, tx: Transaction, organization_id: str, agent_id: str, conversation_id: str) -> str:
        return f"prompt of {conversation_id}"

    async def refresh(
        self,
        tx: Transaction,
        organization_id: str,
        agent_id: str,
        conversation_id: str,
        *,
        others: Collection[str] = (),
    ) -> Message | None:
        systems = await self._history.lock_systems(tx, organization_id, [conversation_id])
        texts = {conversation_id: await self.compile_for(tx, organization_id, agent_id, conversation_id)}
        await self._history.rewrite_systems(tx, organization_id, systems, texts)
        return systems.get(conversation_id)


class Memory:
    """Two memory tools: one that works and changes the prompt, one that always fails."""

    async def run(self, tx: Transaction, agent: CallingAgent, call: ToolCall, vectors: Vectors) -> ToolReturn:
        if call.name == "broken_memory":
            raise InvalidArgument("no such block")
        return ToolReturn(value="remembered", status=TOOL_STATUS_SUCCESS)

    def changes_prompt(self, name: str) -> bool:
        return name == "remember"


class Router(LlmRouterServiceServicer):
    """Writes numbered summaries; models that a test names as broken fail."""

    def __init__(self) -> None:
        self.meets = asyncio.Event()  # set by each call
        self.pause = asyncio.Lock()  # calls wait while somebody has it
        self.asked: list[router_pb.CompleteRequest] = []
        self.broken: set[str] = set()
        self.answer = "summary {number}"

    async def Complete(  # noqa: N802  # the name of the RPC
        self, request: router_pb.CompleteRequest, context: Any
    ) -> AsyncIterator[router_pb.CompleteResponse]:
        self.asked.append(request)
        self.meets.set()
        async with self.pause:
            pass
        if request.model in self.broken:
            raise Unavailable("overloaded")
        text = self.answer.format(number=len(self.asked))
        completion = router_pb.Completion(parts=[Part(text=text)])
        yield router_pb.CompleteResponse(events=[router_pb.CompletionEvent(text=text)])
        yield router_pb.CompleteResponse(events=[router_pb.CompletionEvent(completion=completion)])


@dataclass
class Clock:
    """Tells the time, or what a test makes of it."""

    ahead_s: float = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead_s)


@dataclass
class World:
    """What tests of turns work with."""

    engine: AsyncEngine
    stub: TurnServiceStub
    history: PostgresHistory
    database: Database
    messages: Messages
    router: "Router"
    windows: WindowOperations
    clock: Clock
    unanswered: UnansweredRequests
    statements: list[str] = field(default_factory=list)

    async def create_agent(self, **columns: Any) -> str:
        """An agent whose own history has a system message; its id."""
        agent_id = new_id("agent")
        now = datetime.now(UTC)
        async with self.database.begin() as tx:
            await tx.execute(insert(agents).values(agent_row(agent_id, now) | columns))
            system = Origin(agent_id, agent_id, now).text(ROLE_SYSTEM, "You are an agent.")
            await self.history.open_own(tx, ORGANIZATION, agent_id, [system])
        return agent_id

    async def begin(self, conversation_id: str, run_id: str = "", **fields: Any) -> pb.BeginTurnResponse:
        """BeginTurn with a user message, unless the fields say otherwise."""
        given: dict[str, Any] = {"attempt": 1, "input": [] if "approvals" in fields else [said("hello")]}
        request = pb.BeginTurnRequest(
            organization_id=ORGANIZATION,
            run_id=run_id or new_id("run"),
            conversation_id=conversation_id,
            **given | fields,
        )
        with rpc_errors():
            return await self.stub.BeginTurn(request)

    async def commit(self, run_id: str, step: int = 1, *, attempt: int = 1, **fields: Any) -> pb.CommitStepResponse:
        """CommitStep."""
        request = pb.CommitStepRequest(
            organization_id=ORGANIZATION, run_id=run_id, attempt=attempt, step=step, **fields
        )
        with rpc_errors():
            return await self.stub.CommitStep(request)

    async def end(
        self,
        run_id: str,
        state: pb.TurnState.ValueType = pb.TURN_STATE_CANCELLED,
        *,
        attempt: int = 0,
        conversation_id: str = "",
        out_of_context: bool = False,
    ) -> pb.TurnOutcome:
        """EndTurn."""
        request = pb.EndTurnRequest(
            organization_id=ORGANIZATION,
            run_id=run_id,
            attempt=attempt,
            conversation_id=conversation_id,
            end=pb.TurnEnd(state=state, stop_reason=STOP_REASON_CANCELLED),
            out_of_context=out_of_context,
        )
        with rpc_errors():
            return (await self.stub.EndTurn(request)).outcome

    async def compact(
        self, run_id: str, window_version: int, *, attempt: int = 1, target_tokens: int = 0
    ) -> pb.CompactTurnResponse:
        """CompactTurn."""
        request = pb.CompactTurnRequest(
            organization_id=ORGANIZATION,
            run_id=run_id,
            attempt=attempt,
            window_version=window_version,
            target_tokens=target_tokens,
        )
        with rpc_errors():
            return await self.stub.CompactTurn(request)

    async def talk(self, conversation_id: str, times: int = 1) -> None:
        """Whole turns of one step."""
        for _ in range(times):
            run_id = new_id("run")
            await self.begin(conversation_id, run_id)
            await self.commit(run_id, assistant=answered("hi"), end=END_TURN)

    async def request_approval(self, conversation_id: str, *calls: ToolCall, expires_s: int = 0) -> tuple[str, Message]:
        """A turn that ends with an approval request; its run and the request."""
        run_id = new_id("run")
        await self.begin(conversation_id, run_id)
        waiting = [ToolCall(id=c.id, name=c.name, arguments=c.arguments, needs_approval=True) for c in calls or [CALL]]
        committed = await self.commit(
            run_id, assistant=calling(*waiting), end=REQUIRES_APPROVAL, approval_expires_s=expires_s
        )
        return run_id, committed.messages[0]

    async def window(self, conversation_id: str) -> list[Message]:
        """The stored context window."""
        async with self.database.begin() as tx:
            return await self.messages.read_window(tx, ORGANIZATION, conversation_id)

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The statements that the block runs, besides BEGIN and COMMIT."""
        self.statements.clear()
        yield self.statements


END_TURN = pb.TurnEnd(state=pb.TURN_STATE_COMPLETED, stop_reason=STOP_REASON_END_TURN)
REQUIRES_APPROVAL = pb.TurnEnd(state=pb.TURN_STATE_COMPLETED, stop_reason=STOP_REASON_REQUIRES_APPROVAL)


def agent_row(agent_id: str, now: datetime) -> dict[str, Any]:
    return {
        "id": agent_id,
        "organization_id": ORGANIZATION,
        "created_at": now,
        "updated_at": now,
        "name": "Ada",
        "agent_type": "letta_v1_agent",
        "system": "You are an agent.",
        "model": "openai/m",
        "model_settings": {"provider_type": "openai", "temperature": 0.5},
        "llm_config": LLM_CONFIG,
        "tool_rules": [],
        "compaction_settings": {"model": "openai/m", "prompt": "Summarise."},
        "message_buffer_autoclear": False,
    }


def said(text: str, **fields: Any) -> Message:
    return Message(role=ROLE_USER, parts=[Part(text=text)], **fields)


def answered(text: str) -> Message:
    return Message(id=new_id("message"), role=ROLE_ASSISTANT, parts=[Part(text=text)])


def calling(*calls: ToolCall) -> Message:
    return Message(id=new_id("message"), role=ROLE_ASSISTANT, parts=[Part(tool_call=call) for call in calls])


def returned(call: ToolCall = CALL, value: str = "6") -> ToolReturn:
    return ToolReturn(call_id=call.id, name=call.name, value=value, status=TOOL_STATUS_SUCCESS, executed=True)


def approved(call: ToolCall = CALL) -> ApprovalAnswer:
    return ApprovalAnswer(call_id=call.id, approve=True)


def texts(messages: Sequence[Message]) -> list[str]:
    """The words of messages: text, the names of calls, the values of returns."""
    return [
        " ".join(part.text or part.tool_call.name or part.tool_return.value for part in message.parts)
        for message in messages
    ]


@asynccontextmanager
async def open_world(postgres_url: str, sockets: Path) -> AsyncIterator[World]:
    """The service, for the time of a block."""
    engine = open_engine(postgres_url)
    database, messages, clock = Database(engine), Messages(PostgresMessages()), Clock()
    history, router = PostgresHistory(PostgresMessages()), Router()  # type: ignore[abstract]  # only Complete is called
    address = f"unix:{sockets / uuid.uuid4().hex[:8]}.sock"
    server, channel = grpc.aio.server(interceptors=[ErrorInterceptor()]), open_channel(address)
    parts = TurnParts(database, messages, Summaries(RouterSummarizer(channel)), now=clock.now)
    servicer = parts.servicer(
        Prompts(history),
        MemoryCalls(Memory(), Prompts(history), PostgresBlocks(), PostgresAgents()),
        Embedding(RouterEmbedder(channel)),
        decrypt=str,
        approval_expires_s=0,
    )
    add_TurnServiceServicer_to_server(servicer, server)
    add_LlmRouterServiceServicer_to_server(router, server)
    server.add_insecure_port(address)
    await server.start()
    async with channel:
        stub, windows = TurnServiceStub(channel), parts.operations()
        world = World(engine, stub, history, database, messages, router, windows, clock, parts.unanswered)
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *call: world.statements.append(call[2]))
        yield world
    await server.stop(None)
    await engine.dispose()
