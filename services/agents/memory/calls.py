"""Calls of memory tools, run inside a transaction of the caller's."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from perdure.conversation.v1.message_pb2 import Message, ToolCall, ToolReturn
from services.agents.archives.embedding import Vectors, VectorsMissing, Wanted
from services.agents.memory.workbench import CallingAgent
from services.common.database import Transaction
from services.common.errors import PerdureError
from services.common.pairing import failed_return
from services.contract.agents import AgentState


class MemoryTools(Protocol):
    """The tools that work on an agent's own memory and history."""

    async def run(self, tx: Transaction, agent: CallingAgent, call: ToolCall, vectors: Vectors) -> ToolReturn:
        """What a call gives. Raises a `PerdureError` for what cannot be done; its words go to the model.

        Raises `VectorsMissing` where the call needs others than those known.
        """

    def changes_prompt(self, name: str) -> bool:
        """Whether calls of this tool change what the system message shows."""


class SystemPrompts(Protocol):
    """Compiles system messages."""

    async def compile_for(self, tx: Transaction, organization_id: str, agent_id: str, conversation_id: str) -> str:
        """The system message of a conversation, which need not have one yet."""

    async def refresh(
        self,
        tx: Transaction,
        organization_id: str,
        agent_id: str,
        conversation_id: str,
        *,
        others: Collection[str] = (),
    ) -> Message | None:
        """Compiles and stores the system message of a conversation, and of the own histories of other agents.

        The message as it is now; None where the conversation has none yet.
        """


class Agents(Protocol):
    """Where agents are kept."""

    async def find(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str], *, lock: bool = False
    ) -> Mapping[str, AgentState]:
        """The agents that exist, by id; `lock` keeps others from changing them until the transaction ends."""


class Blocks(Protocol):
    """Where blocks are kept."""

    async def lock_of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> None:
        """Keeps others from changing the agent's blocks until the transaction ends."""


class MemoryCalls:
    """Runs memory tools for agents.

    What is locked is locked in this order, or who shares it waits in a circle: the agent, its blocks by their ids, and
    at the end all system messages that show them.
    """

    def __init__(self, tools: MemoryTools, prompts: SystemPrompts, blocks: Blocks, agents: Agents) -> None:
        self._tools = tools
        self._prompts = prompts
        self._blocks = blocks
        self._agents = agents

    async def run(
        self, tx: Transaction, agent: CallingAgent, calls: Sequence[ToolCall], vectors: Vectors
    ) -> list[ToolReturn]:
        """The returns of the calls, in order. Each runs in a savepoint: one that fails leaves nothing behind.

        Raises `VectorsMissing` with all that the calls need.
        """
        if calls:
            await self._agents.find(tx, agent.organization_id, [agent.agent_id], lock=True)
        if any(self._tools.changes_prompt(call.name) for call in calls):
            await self._blocks.lock_of_agent(tx, agent.organization_id, agent.agent_id)
        returns, wanted = [], set[Wanted]()
        for call in calls:
            try:
                returns.append(await self._run_one(tx, agent, call, vectors))
            except VectorsMissing as missing:
                wanted |= missing.wanted
        if wanted:
            raise VectorsMissing(wanted)
        return returns

    async def _run_one(self, tx: Transaction, agent: CallingAgent, call: ToolCall, vectors: Vectors) -> ToolReturn:
        try:
            async with tx.begin_nested():
                returned = await self._tools.run(tx, agent, call, vectors)
        except PerdureError as exc:
            returned = failed_return(call, f"Error executing function {call.name}: {exc}")
        returned.call_id = call.id
        returned.name = call.name
        returned.executed = True
        return returned

    def changes_prompt(self, returns: Sequence[ToolReturn]) -> bool:
        """Whether calls with these returns changed the system message."""
        return any(returned.executed and self._tools.changes_prompt(returned.name) for returned in returns)

    async def renew_prompt(self, tx: Transaction, agent: CallingAgent) -> Message | None:
        """Compiles the conversation's system message anew, and those of others who see what the calls have changed."""
        return await self._prompts.refresh(
            tx, agent.organization_id, agent.agent_id, agent.conversation_id, others=agent.outdated
        )
