"""Repairs of histories in Postgres."""

from sqlalchemy import select, text, update

from perdure.conversation.v1.message_pb2 import Message
from services.agents.conversations.store.history import REWRITE, SET_WINDOW, rewritten, window_of
from services.agents.conversations.tables import conversations
from services.agents.messages.stored_rows import STORE_MESSAGES, message_arrays
from services.agents.turns.mending import Mending
from services.agents.turns.store.voiding import void_requests
from services.common.database import Transaction

# In two steps, as two messages may not have the same position in between.
_LIFT = text(
    """
    UPDATE agents.conversation_messages SET position = -position - 1
    WHERE conversation_id = :conversation_id AND organization_id = :organization_id AND position > (
        SELECT position FROM agents.conversation_messages
        WHERE conversation_id = :conversation_id AND organization_id = :organization_id AND message_id = :after_id)
    """
)
_SETTLE = text(
    """
    UPDATE agents.conversation_messages SET position = -position
    WHERE conversation_id = :conversation_id AND organization_id = :organization_id AND position < 0
    """
)
_PLACE = text(
    """
    SELECT position + 1 FROM agents.conversation_messages
    WHERE conversation_id = :conversation_id AND organization_id = :organization_id AND message_id = :after_id
    """
)
_ADD = text(
    f"""
    WITH {STORE_MESSAGES}
    UPDATE agents.conversations SET next_position = next_position + 1
    WHERE id = :conversation_id AND organization_id = :organization_id
    """  # noqa: S608  # fixed parts of one statement
)


class PostgresMending:
    """Histories that are repaired, in the transaction of the caller."""

    async def conversation_ids(self, tx: Transaction, organization_id: str, agent_id: str) -> list[str]:
        """One statement."""
        query = (
            select(conversations.c.id)
            .where(conversations.c.organization_id == organization_id, conversations.c.agent_id == agent_id)
            .order_by(conversations.c.created_at, conversations.c.id)
        )
        return list(await tx.scalars(query))

    async def mend(self, tx: Transaction, organization_id: str, conversation_id: str, mending: Mending) -> None:
        """Two statements, one for what is rewritten, and four for each message added."""
        for message, after_id in mending.added:
            await self._add(tx, organization_id, conversation_id, message, after_id)
        if mending.rewritten:
            await tx.execute(REWRITE, rewritten(organization_id, mending.rewritten))
        await tx.execute(SET_WINDOW, window_of(organization_id, conversation_id, mending.window))
        of_caller = conversations.c.id == conversation_id, conversations.c.organization_id == organization_id
        changed = {"window_version": conversations.c.window_version + 1, "context_tokens": None}
        await tx.execute(update(conversations).where(*of_caller).values(changed))

    async def void_request(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Two statements."""
        await void_requests(tx, organization_id, conversation_id)

    async def _add(
        self, tx: Transaction, organization_id: str, conversation_id: str, message: Message, after_id: str
    ) -> None:
        place = {"organization_id": organization_id, "conversation_id": conversation_id, "after_id": after_id}
        position = await tx.scalar(_PLACE, place)
        await tx.execute(_LIFT, place)
        await tx.execute(_SETTLE, place)
        owner = {"organization_id": organization_id, "agent_id": message.agent_id, "conversation_id": conversation_id}
        await tx.execute(_ADD, owner | message_arrays([(message, position)]))
