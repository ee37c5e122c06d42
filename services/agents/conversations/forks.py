"""Forks: a new conversation that goes on from where another one stands."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from perdure.conversation.v1.message_pb2 import ROLE_SYSTEM, Message
from services.agents.conversations.errors import ConversationNotFound
from services.agents.memory import blocks
from services.agents.messages.drafts import Origin
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.ids import new_id
from services.contract.conversations import Conversation


class ForkStore(Protocol):
    """Where conversations are kept. Every method runs in the transaction of its caller."""

    async def find(self, tx: Transaction, organization_id: str, conversation_id: str) -> Conversation | None:
        """A conversation."""

    async def insert_fork(self, tx: Transaction, caller: Caller, fork: Conversation, source_id: str) -> bool:
        """Adds a conversation that shows what another one shows, but for the system message.

        An approval request that waits for its returns is left out, and what follows it. False: there are no messages.
        """

    async def set_system(self, tx: Transaction, organization_id: str, conversation_id: str, system: Message) -> None:
        """Gives a fork its system message."""


class Prompts(Protocol):
    """The system messages of conversations."""

    async def compile_for(self, tx: Transaction, organization_id: str, agent_id: str, conversation_id: str) -> str:
        """The text of a conversation's system message as it would be now."""


class Forks:
    """Forks conversations."""

    def __init__(self, database: Database, store: ForkStore, blocks: blocks.Store, prompts: Prompts) -> None:
        self._database = database
        self._store = store
        self._blocks = blocks
        self._prompts = prompts

    async def fork(self, caller: Caller, conversation_id: str) -> Conversation:
        """A new conversation of the same agent, with the same messages after a system message of its own.

        It takes what is committed: a turn that is active in the other goes on undisturbed, and an approval request that
        waits stays there alone. Isolated blocks are copied, as they are. Raises `ConversationNotFound`.
        """
        now = datetime.now(UTC)
        async with self._database.begin() as tx:
            source = await self._store.find(tx, caller.organization_id, conversation_id)
            if source is None:
                raise ConversationNotFound(conversation_id)
            fork = Conversation(
                id=new_id("conv"),
                agent_id=source.agent_id,
                created_by_id=caller.user_id,
                last_updated_by_id=caller.user_id,
                created_at=now,
                updated_at=now,
                model=source.model,
                model_settings=source.model_settings,
                on_busy=source.on_busy,
                isolated_block_ids=await self._copy_blocks(tx, caller, source.isolated_block_ids),
            )
            if await self._store.insert_fork(tx, caller, fork, conversation_id):
                text = await self._prompts.compile_for(tx, caller.organization_id, fork.agent_id, fork.id)
                system = Origin(fork.agent_id, fork.id, now).text(ROLE_SYSTEM, text)
                await self._store.set_system(tx, caller.organization_id, fork.id, system)
        return fork

    async def _copy_blocks(self, tx: Transaction, caller: Caller, block_ids: Sequence[str]) -> list[str]:
        """Copies those of the blocks that are still there; the copies' ids."""
        found = await self._blocks.find(tx, caller.organization_id, block_ids) if block_ids else {}
        there = [found[block_id].block for block_id in block_ids if block_id in found]
        return await blocks.copy_blocks(self._blocks, tx, caller, there)
