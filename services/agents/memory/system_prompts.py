"""The system messages of conversations, compiled from what is stored."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import TypeAdapter

from perdure.conversation.v1.message_pb2 import Message
from services.agents.agents.history import History, MessageCounts
from services.agents.memory.blocks import Store, StoredBlock
from services.agents.memory.prompt import Prompt, PromptSource, compile_prompt
from services.common.database import Transaction
from services.contract.tool_rules import ToolRule

_rules: TypeAdapter[list[ToolRule]] = TypeAdapter(list[ToolRule])


@dataclass(frozen=True)
class PromptedAgent:
    """What system messages show of an agent. `tool_rules` are in the public form."""

    id: str
    system: str
    model: str
    timezone: str | None
    tool_rules: Sequence[dict[str, Any]]  # Any: JSON


class Agents(Protocol):
    """Where agents are kept."""

    async def read_prompted(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> list[PromptedAgent]:
        """The agents that exist."""


class Folders(Protocol):
    """What agents have of folders."""

    async def directories(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, str]:
        """What the system message of each agent with folders says of them."""


class SystemPrompts:
    """Compiles system messages. Every method runs in the transaction of its caller.

    A conversation's id is "conv-<uuid4>", or the agent's id for its own history.
    """

    def __init__(self, agents: Agents, blocks: Store, folders: Folders, history: History) -> None:
        self._agents = agents
        self._blocks = blocks
        self._folders = folders
        self._history = history

    async def compile_for(self, tx: Transaction, organization_id: str, agent_id: str, conversation_id: str) -> str:
        """The system message of a conversation, which need not have one yet. At most six statements."""
        return str(await self.compile_parts(tx, organization_id, agent_id, conversation_id))

    async def compile_parts(self, tx: Transaction, organization_id: str, agent_id: str, conversation_id: str) -> Prompt:
        """As `compile_for`, in parts."""
        [agent] = await self._agents.read_prompted(tx, organization_id, [agent_id])
        blocks = await self.visible_blocks(tx, organization_id, agent_id, conversation_id)
        directories = (await self._folders.directories(tx, organization_id, [agent_id])).get(agent_id, "")
        counts = (await self._history.count_messages(tx, organization_id, [conversation_id])).get(conversation_id)
        return _compile(agent, blocks, directories, conversation_id, counts)

    async def visible_blocks(
        self, tx: Transaction, organization_id: str, agent_id: str, conversation_id: str
    ) -> list[StoredBlock]:
        """The agent's blocks, with a conversation's own copies in place of those with the same labels."""
        own = (await self._blocks.of_agents(tx, organization_id, [agent_id]))[agent_id]
        if conversation_id == agent_id:
            return own
        isolated = await self._history.isolated_block_ids(tx, organization_id, conversation_id)
        found = await self._blocks.find(tx, organization_id, isolated) if isolated else {}
        copies = {copy.block.label: copy for copy in found.values()}
        return [copies.get(stored.block.label, stored) for stored in own]

    async def refresh_own(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> None:
        """Compiles the system message of each agent's own history anew: six statements, none for no agents."""
        if agent_ids:
            systems = await self._history.lock_systems(tx, organization_id, agent_ids)
            texts = await self._compile_own(tx, organization_id, agent_ids)
            await self._history.rewrite_systems(tx, organization_id, systems, texts)

    async def refresh(
        self,
        tx: Transaction,
        organization_id: str,
        agent_id: str,
        conversation_id: str,
        *,
        others: Collection[str] = (),
    ) -> Message | None:
        """Compiles the system message of a conversation anew, and of the own histories of other agents.

        The message as it is now; None where the conversation has none yet. At most eight statements, four more for
        others.
        """
        own = sorted(set(others) - {conversation_id})
        systems = await self._history.lock_systems(tx, organization_id, [conversation_id, *own])
        texts = await self._compile_own(tx, organization_id, own) if own else {}
        texts[conversation_id] = await self.compile_for(tx, organization_id, agent_id, conversation_id)
        await self._history.rewrite_systems(tx, organization_id, systems, texts)
        return systems.get(conversation_id)

    async def _compile_own(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, str]:
        blocks = await self._blocks.of_agents(tx, organization_id, agent_ids)
        shown = await self._folders.directories(tx, organization_id, agent_ids)
        counts = await self._history.count_messages(tx, organization_id, agent_ids)
        agents = await self._agents.read_prompted(tx, organization_id, agent_ids)
        return {
            one.id: str(_compile(one, blocks[one.id], shown.get(one.id, ""), one.id, counts.get(one.id)))
            for one in agents
        }


def _compile(
    agent: PromptedAgent,
    blocks: Sequence[StoredBlock],
    directories: str,
    conversation_id: str,
    counts: MessageCounts | None,
) -> Prompt:
    source = PromptSource(
        agent_id=agent.id,
        system=agent.system,
        model=agent.model,
        timezone=agent.timezone or "UTC",
        tool_rules=_rules.validate_python(agent.tool_rules),
        blocks=[stored.block for stored in blocks],
        directories=directories,
        conversation="default" if conversation_id == agent.id else conversation_id,
        recall_messages=counts.stored - counts.in_window if counts else 0,
        now=datetime.now(UTC),
    )
    return compile_prompt(source)
