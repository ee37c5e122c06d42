"""The lock for everybody who changes a conversation outside a turn."""

from sqlalchemy import select

from services.agents.conversations.errors import ConversationNotFound
from services.agents.conversations.tables import conversations
from services.agents.turns.tables import turns
from services.agents.turns.turn import TurnState
from services.common.conversation_busy import ConversationBusy
from services.common.database import Transaction


async def lock_idle(tx: Transaction, organization_id: str, conversation_id: str) -> None:
    """Locks a conversation in which no turn is active, so that none begins before the transaction ends.

    Two statements: what holds a conversation is looked up once it is locked. Raises `ConversationNotFound` and
    `ConversationBusy`.
    """
    of_caller = conversations.c.id == conversation_id, conversations.c.organization_id == organization_id
    if await tx.scalar(select(conversations.c.id).where(*of_caller).with_for_update()) is None:
        raise ConversationNotFound(conversation_id)
    active = select(turns.c.run_id).where(
        turns.c.conversation_id == conversation_id,
        turns.c.organization_id == organization_id,
        turns.c.state == TurnState.ACTIVE,
    )
    run_id = await tx.scalar(active)
    if run_id is not None:
        raise ConversationBusy(run_id)
