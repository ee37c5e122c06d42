"""Approvals in Postgres."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from services.agents.messages.stored_rows import STORE_MESSAGES, message_arrays
from services.agents.turns.approval_store import ClosedRequest, EarlierAnswer
from services.agents.turns.approvals import ApprovalState
from services.agents.turns.turn import TurnState
from services.common.database import Transaction

_FIND_ANSWERS = text(
    """
    SELECT approval.call_id, approval.state, turn.run_id, turn.state AS turn_state, turn.input_ids
    FROM agents.approvals approval LEFT JOIN agents.turns turn ON turn.run_id = approval.answered_by_run
    WHERE approval.organization_id = :organization_id AND approval.conversation_id = :conversation_id
        AND (approval.call_id = ANY (:call_ids) OR approval.message_id = :request_id) AND approval.state <> 'pending'
    ORDER BY turn.begun_at NULLS FIRST
    """
)

# The agent's last run is not one that waits any more.
_CLOSE_REQUEST = text(
    f"""
    WITH {STORE_MESSAGES}, closed AS (
        UPDATE agents.approvals SET state = :state
        WHERE message_id = :request_id AND organization_id = :organization_id AND state = 'pending'
    ), told AS (
        UPDATE agents.agents SET last_stop_reason = 'cancelled'
        WHERE id = :agent_id AND organization_id = :organization_id AND last_stop_reason = 'requires_approval'
    )
    UPDATE agents.conversations
    SET next_position = :next_position, window_version = window_version + 1, updated_at = :now, last_message_at = :now
    WHERE id = :conversation_id AND organization_id = :organization_id
    """  # noqa: S608  # fixed parts of one statement
)

_DUE_REQUESTS = text(
    """
    SELECT DISTINCT organization_id, conversation_id FROM agents.approvals
    WHERE state = 'pending' AND expires_at <= :now
    LIMIT :limit
    """
)


class PostgresApprovals:
    """The table of approvals. Every method runs one statement, in the transaction of its caller."""

    async def find_answers(
        self, tx: Transaction, organization_id: str, conversation_id: str, call_ids: Sequence[str], request_id: str
    ) -> dict[str, EarlierAnswer]:
        """By call: what became of these calls, or those of the request, last. Those that wait are left out."""
        rows = await tx.execute(
            _FIND_ANSWERS,
            {
                "organization_id": organization_id,
                "conversation_id": conversation_id,
                "call_ids": list(call_ids),
                "request_id": request_id,
            },
        )
        return {
            row.call_id: EarlierAnswer(
                ApprovalState(row.state),
                row.run_id,
                TurnState(row.turn_state) if row.turn_state else None,
                row.input_ids or (),
            )
            for row in rows
        }

    async def close_request(self, tx: Transaction, organization_id: str, closed: ClosedRequest, now: datetime) -> None:
        """Ends the waiting of a request in a locked conversation."""
        parameters = {
            "organization_id": organization_id,
            "agent_id": closed.denials.agent_id,
            "conversation_id": closed.denials.conversation_id,
            "request_id": closed.request_id,
            "state": closed.state,
            "next_position": closed.position + 1,
            "now": now,
        }
        await tx.execute(_CLOSE_REQUEST, parameters | message_arrays([(closed.denials, closed.position)]))

    async def due_requests(self, tx: Transaction, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Organisations and conversations of pending requests whose time is over."""
        rows = await tx.execute(_DUE_REQUESTS, {"now": now, "limit": limit})
        return [(row.organization_id, row.conversation_id) for row in rows]
