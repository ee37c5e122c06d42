"""Conversations: made, read, listed, changed, deleted, emptied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from perdure.conversation.v1.message_pb2 import Message
from services.agents.agents import catalogs
from services.agents.agents.model_config import configure
from services.agents.conversations.errors import ConversationNotFound
from services.agents.memory import blocks
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument
from services.common.ids import new_id
from services.contract.agents import AgentFields, AgentType
from services.contract.conversations import Conversation, CreateConversation, UpdateConversation
from services.contract.model_configs import LlmConfig


class UnknownIsolatedLabel(InvalidArgument):
    """The agent has no block with a label that a conversation is to have its own copy of."""

    def __init__(self, label: str, agent_id: str) -> None:
        super().__init__(f"Agent {agent_id} has no block with the label {label!r} to isolate.")


@dataclass(frozen=True)
class ConversationFilter:
    """Which conversations a list has. Empty texts leave nothing out."""

    agent_id: str = ""
    summary_search: str = ""


class ConversationStore(Protocol):
    """Where conversations are kept. Every method runs in the transaction of its caller."""

    async def agent_type(self, tx: Transaction, organization_id: str, agent_id: str) -> AgentType | None:
        """The type of an agent. None when there is no such agent."""

    async def insert(
        self, tx: Transaction, caller: Caller, conversation: Conversation, llm_config: LlmConfig | None
    ) -> None:
        """Adds a conversation, with its own model as resolved."""

    async def find(self, tx: Transaction, organization_id: str, conversation_id: str) -> Conversation | None:
        """A conversation."""

    async def window_ids(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[str]:
        """The ids of the messages in a conversation's context window, oldest first."""

    async def list_page(
        self, tx: Transaction, organization_id: str, wanted: ConversationFilter, page: Page, order_by: str
    ) -> list[Conversation]:
        """A page of conversations, agents' own histories left out."""

    async def change(self, tx: Transaction, caller: Caller, conversation_id: str, values: Mapping[str, Any]) -> None:
        """Changes columns of a conversation."""

    async def lock_idle(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Locks a conversation in which no turn is active. Raises `ConversationNotFound`, `ConversationBusy`."""

    async def delete(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Deletes a conversation, and the messages that no other conversation shows."""

    async def empty_window(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Takes all messages but the system message out of the context window; pending approvals are void."""

    async def append(
        self, tx: Transaction, organization_id: str, conversation_id: str, messages: Sequence[Message]
    ) -> None:
        """Adds messages at the end of a conversation and of its context window."""


class Conversations:
    """The conversations of all organisations."""

    def __init__(
        self, database: Database, store: ConversationStore, blocks: blocks.Store, models: catalogs.Models
    ) -> None:
        self._database = database
        self._store = store
        self._blocks = blocks
        self._models = models

    async def create(self, caller: Caller, agent_id: str, request: CreateConversation) -> Conversation:
        """Opens a conversation with an agent; it has no messages yet.

        Raises `ConversationNotFound` for a missing agent, `UnknownIsolatedLabel`, and what `Models.resolve` raises.
        """
        resolved = await self._resolve(caller, request.model)
        now = datetime.now(UTC)
        async with self._database.begin() as tx:
            agent_type = await self._agent_type(tx, caller, agent_id)
            conversation = Conversation(
                id=new_id("conv"),
                agent_id=agent_id,
                created_by_id=caller.user_id,
                last_updated_by_id=caller.user_id,
                created_at=now,
                updated_at=now,
                summary=request.summary,
                model=request.model,
                model_settings=request.model_settings,
                on_busy=request.on_busy,
                isolated_block_ids=await self._isolate(tx, caller, agent_id, request.isolated_block_labels or ()),
            )
            await self._store.insert(tx, caller, conversation, _configure(resolved, agent_type))
        return conversation

    async def list_page(
        self, caller: Caller, wanted: ConversationFilter, page: Page, order_by: str
    ) -> list[Conversation]:
        """A page of conversations. Raises `CursorNotFound`."""
        async with self._database.begin() as tx:
            return await self._store.list_page(tx, caller.organization_id, wanted, page, order_by)

    async def get(self, caller: Caller, conversation_id: str) -> Conversation:
        """One conversation with the ids of its context window. Raises `ConversationNotFound`."""
        async with self._database.begin() as tx:
            conversation = await self._find(tx, caller, conversation_id)
            conversation.in_context_message_ids = await self._store.window_ids(
                tx, caller.organization_id, conversation_id
            )
        return conversation

    async def agent_id_of(self, caller: Caller, conversation_id: str) -> str | None:
        """The agent of a conversation. None when there is no such conversation."""
        async with self._database.begin() as tx:
            found = await self._store.find(tx, caller.organization_id, conversation_id)
        return found.agent_id if found else None

    async def update(self, caller: Caller, conversation_id: str, request: UpdateConversation) -> Conversation:
        """Changes what was sent; an active turn keeps the model that it began with.

        Raises `ConversationNotFound`, and what `Models.resolve` raises.
        """
        resolved = await self._resolve(caller, request.model)
        values: dict[str, Any] = request.model_dump(exclude_unset=True)  # Any: values of every column
        async with self._database.begin() as tx:
            before = await self._find(tx, caller, conversation_id)
            if "model" in values:
                config = _configure(resolved, await self._agent_type(tx, caller, before.agent_id))
                values["llm_config"] = config.model_dump() if config else None
            await self._store.change(tx, caller, conversation_id, values)
            return await self._find(tx, caller, conversation_id)

    async def delete(self, caller: Caller, conversation_id: str) -> None:
        """Deletes a conversation with its own copies of blocks. Raises `ConversationNotFound`, `ConversationBusy`."""
        async with self._database.begin() as tx:
            conversation = await self._find(tx, caller, conversation_id)
            await self._store.lock_idle(tx, caller.organization_id, conversation_id)
            await self._store.delete(tx, caller.organization_id, conversation_id)
            for block_id in conversation.isolated_block_ids:
                await self._blocks.delete(tx, caller.organization_id, block_id)

    async def reset(self, caller: Caller, conversation_id: str, messages: Sequence[Message]) -> None:
        """Empties the context window down to the system message, and begins it with these messages.

        What was said stays listed. Raises `ConversationNotFound` and `ConversationBusy`.
        """
        async with self._database.begin() as tx:
            await self._find(tx, caller, conversation_id)
            await self._store.lock_idle(tx, caller.organization_id, conversation_id)
            await self._store.empty_window(tx, caller.organization_id, conversation_id)
            if messages:
                await self._store.append(tx, caller.organization_id, conversation_id, messages)

    async def _find(self, tx: Transaction, caller: Caller, conversation_id: str) -> Conversation:
        found = await self._store.find(tx, caller.organization_id, conversation_id)
        if found is None:
            raise ConversationNotFound(conversation_id)
        return found

    async def _agent_type(self, tx: Transaction, caller: Caller, agent_id: str) -> AgentType:
        agent_type = await self._store.agent_type(tx, caller.organization_id, agent_id)
        if agent_type is None:
            raise ConversationNotFound(agent_id)
        return agent_type

    async def _resolve(self, caller: Caller, model: str | None) -> LlmConfig | None:
        return await self._models.resolve(caller.organization_id, model) if model else None

    async def _isolate(self, tx: Transaction, caller: Caller, agent_id: str, labels: Sequence[str]) -> list[str]:
        """Copies the agent's blocks with these labels; the copies' ids."""
        if not labels:
            return []
        stored = await self._blocks.of_agents(tx, caller.organization_id, [agent_id])
        by_label = {one.block.label: one.block for one in stored[agent_id]}
        for label in labels:
            if label not in by_label:
                raise UnknownIsolatedLabel(label, agent_id)
        return await blocks.copy_blocks(self._blocks, tx, caller, [by_label[label] for label in dict.fromkeys(labels)])


def _configure(resolved: LlmConfig | None, agent_type: AgentType) -> LlmConfig | None:
    return configure(resolved, agent_type, AgentFields()) if resolved else None
