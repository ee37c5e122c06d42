"""Approval requests that leave the context window: nobody can answer them any more."""

from collections.abc import Collection

from sqlalchemy import update

from services.agents.turns.approvals import ApprovalState
from services.agents.turns.tables import approvals
from services.common.database import Transaction


async def void_requests(tx: Transaction, conversation_id: str, *, kept: Collection[str] = ()) -> None:
    """Ends the waiting of a locked conversation's requests but for those kept. One statement."""
    await tx.execute(
        update(approvals)
        .where(
            approvals.c.conversation_id == conversation_id,
            approvals.c.state == ApprovalState.PENDING,
            approvals.c.message_id.not_in(kept),
        )
        .values(state=ApprovalState.CANCELLED)
    )
