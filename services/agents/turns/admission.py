"""Whether a conversation takes a run's input now, and as what."""

from collections.abc import Mapping

from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from services.agents.turns.approval_store import ApprovalStore, EarlierAnswer
from services.agents.turns.approvals import ApprovalState, approval_state, match_answers
from services.agents.turns.errors import (
    AlreadyAnswered,
    AnsweredOtherwise,
    NoPendingApproval,
    PendingApproval,
)
from services.agents.turns.opening import Accepted
from services.agents.turns.turn import Input, TurnState
from services.agents.turns.turn_store import Hold
from services.common.conversation_busy import ConversationBusy
from services.common.database import Transaction
from services.common.errors import InvalidArgument

# Stands in for an answer that comes again after the run that brought it broke off. Clients look for "keep-alive".
KEEP_ALIVE = "This is an automatic keep-alive message. Go on from where you stopped."

Earlier = Mapping[str, EarlierAnswer]  # by call


class Admission:
    """Takes input in, or refuses it. A conversation that waits for answers takes these, any other takes messages."""

    def __init__(self, store: ApprovalStore) -> None:
        self._store = store

    async def admit(
        self, tx: Transaction, organization_id: str, conversation_id: str, hold: Hold, given: Input
    ) -> Accepted:
        """What the input comes to. One statement where answers do not fit, else none.

        Raises `ConversationBusy`, `PendingApproval`, `NoPendingApproval`, `InvalidCallIds`, `WrongRequest`,
        `AlreadyAnswered`, `AnsweredOtherwise`.
        """
        if hold.active_run_id is not None:
            raise ConversationBusy(hold.active_run_id)
        if not given.answers:
            if hold.pending_id is not None:
                raise PendingApproval(hold.pending_id)
            return Accepted(given.messages)
        if hold.pending_id is None:
            _check_answered(await self._look_back(tx, organization_id, conversation_id, given), given)
            return Accepted([Message(role=ROLE_USER, parts=[Part(text=KEEP_ALIVE)]), *given.messages])
        try:
            answers = match_answers(hold.pending_id, hold.pending_call_ids, given)
        except InvalidArgument:
            _check_repeated(await self._look_back(tx, organization_id, conversation_id, given), given)
            raise
        return Accepted(given.messages, answers, hold.pending_id)

    async def _look_back(self, tx: Transaction, organization_id: str, conversation_id: str, given: Input) -> Earlier:
        """What became of the calls before; nothing unless each of them has waited once."""
        call_ids = {answer.call_id for answer in given.answers if answer.call_id}
        earlier = await self._store.find_answers(
            tx, organization_id, conversation_id, sorted(call_ids), given.request_id
        )
        return earlier if call_ids <= earlier.keys() else {}


def _check_answered(earlier: Earlier, given: Input) -> None:
    """Passes answers that a run brought before, if it broke off."""
    if not earlier:
        raise NoPendingApproval
    for one in earlier.values():
        if one.run_id is None:
            raise NoPendingApproval(expired=one.state is ApprovalState.EXPIRED)
    _check_repeated(earlier, given)


def _check_repeated(earlier: Earlier, given: Input) -> None:
    """Refuses answers to calls that were answered otherwise before, or by a run that completed."""
    said = {answer.call_id: approval_state(answer) for answer in given.answers}
    for call_id, one in earlier.items():
        if one.run_id and said.get(call_id, said.get("")) is not one.state:
            raise AnsweredOtherwise(call_id, one.state, one.run_id)
    for one in earlier.values():
        if one.run_id and one.turn_state is TurnState.COMPLETED:
            raise AlreadyAnswered(one.run_id)
