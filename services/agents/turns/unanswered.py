"""Approval requests that nobody will answer any more: cancelled by the client, or expired."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from perdure.conversation.v1.message_pb2 import Message
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.turns.approval_store import ApprovalStore, ClosedRequest
from services.agents.turns.approvals import CANCELLATION, EXPIRATION, ApprovalState, deny_all
from services.agents.turns.turn_store import LockedConversation, TurnStore
from services.common.database import Database, Transaction

DENIALS: Mapping[ApprovalState, str] = {ApprovalState.CANCELLED: CANCELLATION, ApprovalState.EXPIRED: EXPIRATION}
BATCH = 100  # requests looked up at once
SWEEP_S = 2.0  # seconds between two looks for expired requests

log = logging.getLogger(__name__)


class UnansweredRequests:
    """Denies every call of a pending request, so that its conversation can go on."""

    def __init__(
        self,
        database: Database,
        turns: TurnStore,
        approvals: ApprovalStore,
        messages: Messages,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._turns = turns
        self._approvals = approvals
        self._messages = messages
        self._now = now

    async def deny(
        self, tx: Transaction, organization_id: str, request_id: str, state: ApprovalState, *, position: int
    ) -> Message:
        """Stores the denials of a locked conversation's pending request at its end, and answers them. Two statements.

        They belong to the run and the step that asked.
        """
        request, now = await self._messages.get(tx, organization_id, request_id), self._now()
        origin = Origin(request.agent_id, request.conversation_id, now, request.run_id, request.step_id)
        denials = origin.returns(deny_all(request, DENIALS[state]))
        closed = ClosedRequest(request_id, state, denials, position)
        await self._approvals.close_request(tx, organization_id, closed, now)
        return denials

    async def sweep(self) -> None:
        """Denies requests as their time is over, until cancelled. Several replicas may do so at once."""
        while True:
            count = 0
            try:
                count = await self.expire_due()
            except Exception as exc:  # noqa: BLE001  # the top of the loop: whatever the database does, it goes on
                log.warning("cannot deny expired approval requests: %r", exc)
            await asyncio.sleep(0 if count == BATCH else SWEEP_S)

    async def expire_due(self) -> int:
        """Denies requests whose time is over, each in a transaction of its own. How many; at most `BATCH`."""
        count = 0
        async with self._database.begin() as tx:
            due = await self._approvals.due_requests(tx, self._now(), BATCH)
        for organization_id, conversation_id in due:
            async with self._database.begin() as tx:
                conversation = await self._turns.lock_conversation(tx, organization_id, conversation_id)
                if conversation is not None:
                    count += await self.expire(tx, organization_id, conversation)
        return count

    async def expire(self, tx: Transaction, organization_id: str, conversation: LockedConversation) -> bool:
        """Denies the request of a locked conversation if its time is over."""
        hold = await self._turns.read_hold(tx, organization_id, "", conversation.id)
        if hold.pending_id is None or not hold.is_expired(self._now()):
            return False
        position = conversation.next_position
        await self.deny(tx, organization_id, hold.pending_id, ApprovalState.EXPIRED, position=position)
        return True
