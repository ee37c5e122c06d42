"""What approvals need of their store. Every method runs in the transaction of its caller."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perdure.conversation.v1.message_pb2 import Message
from services.agents.turns.approvals import ApprovalState
from services.agents.turns.turn import TurnState
from services.common.database import Transaction


@dataclass(frozen=True)
class ClosedRequest:
    """A pending request that waits no more: what becomes of its calls, and their denials with their position."""

    request_id: str
    state: ApprovalState
    denials: Message
    position: int


@dataclass(frozen=True)
class EarlierAnswer:
    """What became of a call that waited once.

    `run_id`, `turn_state` and `input_ids`, the messages that came with the answer, are of the run that answered, if one
    did.
    """

    state: ApprovalState
    run_id: str | None
    turn_state: TurnState | None
    input_ids: Sequence[str]


class ApprovalStore(Protocol):
    """Calls that wait, or waited, for the client. `TurnStore.write` makes them wait, `TurnStore.begin` answers them."""

    async def find_answers(
        self, tx: Transaction, organization_id: str, conversation_id: str, call_ids: Sequence[str], request_id: str
    ) -> dict[str, EarlierAnswer]:
        """By call: what became of these calls, or those of the request, last. Those that wait are left out."""

    async def close_request(self, tx: Transaction, organization_id: str, closed: ClosedRequest, now: datetime) -> None:
        """Ends the waiting of a request in a locked conversation."""

    async def due_requests(self, tx: Transaction, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Organisations and conversations of pending requests whose time is over."""
