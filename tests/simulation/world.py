"""One agent, the processes that carry out its runs, and clients who do what comes to their mind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from sqlalchemy import text

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    STOP_REASON_CANCELLED,
    STOP_REASON_REQUIRES_APPROVAL,
    ApprovalAnswer,
    Message,
    Part,
    Role,
    ToolReturn,
)
from services.common.caller import Caller
from services.common.ids import new_id
from services.runs.clients import AgentsClient
from services.runs.events.log import MemoryEventLog
from services.runs.records import Claimed, RunRequest
from services.runs.recovery.active_turns import ActiveTurn, ActiveTurns
from services.runs.recovery.bell import OwnBell
from services.runs.store.claiming import claim
from services.runs.store.runs import PostgresRuns
from services.runs.store.steps import PostgresSteps
from services.runs.turns.services import Services
from services.runs.turns.turn import CANCELLED, ending_by_other
from tests.simulation.in_process import InProcessChannel
from tests.simulation.network import Host, Network
from tests.simulation.services import AgentsService
from tests.simulation.vendors import CLIENT_TOOL, RemoteModel, RemoteTools, Vendors

CALLER = Caller()
ANSWERS = (ROLE_ASSISTANT, ROLE_TOOL)
DENIED = (STOP_REASON_CANCELLED, STOP_REASON_REQUIRES_APPROVAL)  # of runs whose calls another may deny
_BEAT = """
    INSERT INTO runs.replicas (owner, address, heartbeat_at) VALUES (:owner, :owner, now() + interval '1 day')
"""


class Remote:
    """A store that is reached over the network: every method may come late, or never."""

    def __init__(self, host: Host, network: Network, store: object) -> None:
        self._host = host
        self._network = network
        self._store = store

    def __getattr__(self, name: str) -> Any:  # Any: the method of any store
        method = getattr(self._store, name)
        return lambda *given, **named: self._network.send(self._host, name, lambda: method(*given, **named))


@dataclass
class Replica:
    """A process of the runs service, with the turns that it carries out."""

    host: Host
    turns: ActiveTurns

    def crash(self, network: Network) -> None:
        """Ends without a word; what it has sent is still on its way."""
        self.host.alive = False
        self.turns.stop(list(self.turns.run_ids), "lost")
        for packet in network.packets:
            if packet.sender is self.host:
                packet.reply.cancel()


@dataclass
class Sent:
    """What a client sent: its words, and how the turn that it began stands."""

    words: str
    active: ActiveTurn

    @property
    def run_id(self) -> str:
        """The run that it began."""
        return self.active.turn.run.id

    @property
    def was_accepted(self) -> bool:
        """Whether the client was told so."""
        done = self.active.accepted.done() and not self.active.accepted.cancelled()
        return done and self.active.accepted.exception() is None


@dataclass
class World:
    """Everything that one seed plays with."""

    network: Network
    vendors: Vendors
    agents: AgentsService
    agent_id: str = ""
    conversation_id: str = ""
    log: MemoryEventLog = field(default_factory=partial(MemoryEventLog, 10_000))
    replicas: list[Replica] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    names: int = 0

    @property
    def living(self) -> list[Replica]:
        """The processes that nobody has reason to think dead."""
        return [each for each in self.replicas if each.host.alive and not each.host.frozen]

    @property
    def busy(self) -> list[Replica]:
        """Those of them that have something under way."""
        senders = [packet.sender for packet in self.network.packets]
        return [each for each in self.living if each.host in senders]

    async def start_replica(self) -> Replica:
        """One more process."""
        self.names += 1
        host = Host(f"{self.conversation_id[-6:]}-{self.names}")
        runs, steps = PostgresRuns(self.agents.database), PostgresSteps(self.agents.database)
        channel = InProcessChannel(self.agents.handlers, lambda what, serve: self.network.send(host, what, serve))
        services = Services(
            history=AgentsClient(cast(Any, channel)),
            model=RemoteModel(host, self.vendors),
            tools=RemoteTools(host, self.vendors),
            ledger=Remote(host, self.network, steps),
            runs=Remote(host, self.network, runs),
        )
        turns = ActiveTurns(services, self.log, OwnBell(), cast(Any, None), slots=10)
        replica = Replica(host, turns)
        self.replicas.append(replica)
        return replica

    async def send(self, words: str, **fields: Any) -> Sent | None:
        """A client sends a message, or answers; None where the conversation's run was refused at once."""
        replica = self.network.random.choice(self.living)
        said = [Message(role=ROLE_USER, parts=[Part(text=words)])] if words else []
        request = RunRequest(
            organization_id=CALLER.organization_id,
            user_id=CALLER.user_id,
            conversation_id=self.conversation_id,
            agent_id=self.agent_id,
            input=tuple(said),
            client_tools=(CLIENT_TOOL,),
            max_steps=4,
            **fields,
        )
        run_id = new_id("run")
        store = PostgresRuns(self.agents.database)
        run = await store.insert(run_id, request, replica.host.name, sent=request)
        if run is None:
            return None
        sent = Sent(words, replica.turns.start(Claimed(run, request), is_accepted=False))
        self.sent.append(sent)
        await self.network.settle()
        return sent

    async def answer(self) -> None:
        """A client answers what waits for it: rightly as a rule."""
        calls = await self.pending_calls()
        choice = self.network.random.random()
        if choice < 0.1:
            calls = [*calls, "call_of_nobody"]
        answers = [self._answer(call_id) for call_id in calls]
        if answers:
            words = f"word-{new_id('run')}" if self.network.random.random() < 0.2 else ""
            await self.send(words, approvals=tuple(answers))

    def _answer(self, call_id: str) -> ApprovalAnswer:
        if self.network.random.random() < 0.3:
            return ApprovalAnswer(call_id=call_id, result=ToolReturn(call_id=call_id, value="from the client"))
        return ApprovalAnswer(call_id=call_id, approve=self.network.random.random() < 0.6, reason="no")

    async def cancel(self) -> None:
        """A client cancels the conversation's run, or what waits for an approval."""
        store = PostgresRuns(self.agents.database)
        run = await store.find_active(CALLER.organization_id, self.conversation_id)
        run_id = run.id if run else await self.asking_run()
        run = run or (await store.get(CALLER.organization_id, run_id) if run_id else None)
        if run is None:
            return
        channel = InProcessChannel(self.agents.handlers, lambda what, serve: serve())
        outcome = await AgentsClient(cast(Any, channel)).end(run, CANCELLED, attempt=0)
        noted = await PostgresSteps(self.agents.database).of_run(run.organization_id, run.id)
        await store.end(run.organization_id, run.id, ending_by_other(outcome, noted))
        for replica in self.living:  # the bell
            replica.turns.stop([run.id], "ended")

    async def sweep(self) -> None:
        """A living process looks for runs that have lost their owner, as each does every second."""
        if not self.living:
            await self.start_replica()
        replica = self.network.random.choice(self.living)
        async with self.agents.database.begin() as connection:
            await connection.execute(text("DELETE FROM runs.replicas"))
            for one in self.living:
                await connection.execute(text(_BEAT), {"owner": one.host.name})
            claims = await claim(connection, replica.host.name, replica.turns.run_ids, 1, lost=True)
        for claimed in claims:
            replica.turns.start(claimed, is_accepted=True)

    async def thaw(self) -> None:
        """Processes that stood still go on, and hear that their runs are others' now."""
        for replica in self.replicas:
            replica.host.frozen = False

    async def pending_calls(self) -> list[str]:
        """The calls that wait for a client."""
        return await self._column(
            "SELECT call_id FROM agents.approvals WHERE conversation_id = :id AND state = 'pending' ORDER BY ordinal"
        )

    async def asking_run(self) -> str | None:
        """The run whose calls wait for a client."""
        query = "SELECT run_id FROM agents.approvals WHERE conversation_id = :id AND state = 'pending'"
        return next(iter(await self._column(query)), None)

    async def active_runs(self) -> list[str]:
        """The runs that have not ended."""
        return await self._column(
            "SELECT id FROM runs.runs WHERE conversation_id = :id AND status IN ('created', 'running')"
        )

    async def active_turns(self) -> list[str]:
        """The turns that hold the conversation."""
        return await self._column("SELECT run_id FROM agents.turns WHERE conversation_id = :id AND state = 'active'")

    async def failures(self) -> list[str]:
        """Why runs failed whose input was stored, of those that were ended by who failed them."""
        return await self._column(
            """
            SELECT failure->>'reason' FROM runs.runs AS run JOIN agents.turns AS turn ON turn.run_id = run.id
            WHERE run.conversation_id = :id AND failure IS NOT NULL AND turn.begun_at IS NOT NULL
                AND run.attempt = turn.attempt
            """
        )

    async def miscounted(self) -> list[str]:
        """The runs that count other steps than were stored."""
        return await self._column(
            """
            SELECT run.id FROM runs.runs AS run JOIN agents.turns AS turn ON turn.run_id = run.id
            WHERE run.conversation_id = :id AND (
                run.steps <> turn.steps OR (run.steps, run.total_tokens) <> (
                    SELECT count(*), coalesce(sum(total_tokens), 0) FROM runs.steps AS step
                    WHERE step.run_id = run.id AND step.status = 'success'))
            """
        )

    async def untold(self) -> list[str]:
        """The messages of which the events of their runs say nothing. Denials may come after those."""
        missing = []
        for run_id in {sent.run_id for sent in self.sent}:
            events = await self.log.read(run_id)
            if events and events[-1].ended.stop_reason not in (0, *DENIED):
                told = {event.message.id for event in events}
                spoken = [one for one in await self.history() if one.run_id == run_id and one.role in ANSWERS]
                missing += [one.id for one in spoken if one.id not in told]
        return missing

    async def never_begun(self) -> list[str]:
        """The runs that were cancelled before their input was stored."""
        return await self._column("SELECT run_id FROM agents.turns WHERE conversation_id = :id AND begun_at IS NULL")

    async def open_requests(self) -> list[str]:
        """The messages whose calls may still be without returns."""
        return await self._column(
            """
            SELECT message_id FROM agents.approvals WHERE conversation_id = :id AND state = 'pending'
            UNION SELECT request_id FROM agents.turns WHERE conversation_id = :id AND state = 'active'
                AND request_id IS NOT NULL
            """
        )

    async def void_requests(self) -> list[str]:
        """The messages whose calls wait no more, as they were taken out of the context."""
        return await self._column(
            "SELECT message_id FROM agents.approvals WHERE conversation_id = :id AND state = 'cancelled'"
        )

    async def window(self) -> list[Message]:
        """The stored context window, oldest first."""
        return await self._messages("window_rank IS NOT NULL", "window_rank")

    async def history(self) -> list[Message]:
        """All that is stored, oldest first."""
        return await self._messages("true", "position")

    async def _messages(self, condition: str, order: str) -> list[Message]:
        query = f"""
            SELECT message.body FROM agents.conversation_messages link
            JOIN agents.messages message ON message.id = link.message_id
            WHERE link.conversation_id = :id AND {condition} ORDER BY link.{order}
        """  # fixed parts
        return [Message.FromString(body) for body in await self._column(query)]

    async def _column(self, query: str) -> list[Any]:  # Any: of any type
        async with self.agents.database.begin() as tx:
            return list(await tx.scalars(text(query), {"id": self.conversation_id}))


def texts_of(messages: Sequence[Message]) -> list[str]:
    """The words of each message."""
    return [" ".join(part.text for part in message.parts) for message in messages]


def describe(message: Message) -> str:
    """A message in a line: who says it, its calls and its returns."""
    calls = [f"{part.tool_call.name}({part.tool_call.id})" for part in message.parts if part.HasField("tool_call")]
    returns = [part.tool_return.call_id for part in message.parts if part.HasField("tool_return")]
    answered = [part.approval_answer for part in message.parts if part.HasField("approval_answer")]
    answers = [f"{answer.call_id}: {answer.approve}" for answer in answered]
    return f"{message.id} {Role.Name(message.role)} {message.run_id} {[*calls, *returns, *answers]}"
