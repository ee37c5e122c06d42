"""Approval requests that leave the context window: nobody can answer them any more."""

from collections.abc import Collection

from sqlalchemy import update

from services.agents.agents.tables import agents
from services.agents.turns.approvals import ApprovalState
from services.agents.turns.tables import approvals
from services.agents.turns.turn import REQUIRES_APPROVAL, TurnState
from services.common.database import Transaction


async def void_requests(
    tx: Transaction, organization_id: str, conversation_id: str, *, kept: Collection[str] = ()
) -> None:
    """Ends the waiting of a locked conversation's requests but for those kept. Two statements, one where none waits."""
    voided = await tx.scalars(
        update(approvals)
        .where(
            approvals.c.conversation_id == conversation_id,
            approvals.c.organization_id == organization_id,
            approvals.c.state == ApprovalState.PENDING,
            approvals.c.message_id.not_in(kept),
        )
        .values(state=ApprovalState.CANCELLED)
        .returning(approvals.c.agent_id)
    )
    agent_ids = set(voided)
    if agent_ids:
        of_caller = agents.c.id.in_(agent_ids), agents.c.organization_id == organization_id
        waited = agents.c.last_stop_reason == REQUIRES_APPROVAL
        await tx.execute(update(agents).where(*of_caller, waited).values(last_stop_reason=TurnState.CANCELLED))
