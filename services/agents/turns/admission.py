"""Whether a conversation takes a run's input now, and as what."""

from collections.abc import Mapping, Sequence

from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from services.agents.messages.messages import Messages
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

    def __init__(self, store: ApprovalStore, messages: Messages) -> None:
        self._store = store
        self._messages = messages

    async def admit(
        self, tx: Transaction, organization_id: str, conversation_id: str, hold: Hold, given: Input
    ) -> Accepted:
        """What the input comes to. At most two statements where answers do not fit, else none.

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
            earlier = await self._look_back(tx, organization_id, conversation_id, given)
            _check_answered(earlier)
            if await self._is_followed(tx, organization_id, earlier, given):
                return Accepted(given.messages)
            return Accepted([Message(role=ROLE_USER, parts=[Part(text=KEEP_ALIVE)]), *given.messages])
        try:
            answers = match_answers(hold.pending_id, hold.pending_call_ids, given)
        except InvalidArgument:
            earlier = await self._look_back(tx, organization_id, conversation_id, given)
            await self._is_followed(tx, organization_id, earlier, given)
            raise
        return Accepted(given.messages, answers, hold.pending_id)

    async def _look_back(self, tx: Transaction, organization_id: str, conversation_id: str, given: Input) -> Earlier:
        """What became of the calls before; nothing unless each of them has waited once."""
        call_ids = {answer.call_id for answer in given.answers if answer.call_id}
        earlier = await self._store.find_answers(
            tx, organization_id, conversation_id, sorted(call_ids), given.request_id
        )
        return earlier if call_ids <= earlier.keys() else {}

    async def _is_followed(self, tx: Transaction, organization_id: str, earlier: Earlier, given: Input) -> bool:
        """Whether answers that a completed run brought before come with messages that it did not bring.

        Raises `AlreadyAnswered` where they come as they came then, and `AnsweredOtherwise`.
        """
        _check_same(earlier, given)
        for one in earlier.values():
            if one.run_id and one.turn_state is TurnState.COMPLETED:
                brought = await self._messages.get_in_order(tx, organization_id, one.input_ids)
                if not given.messages or _words(given.messages) == _words(brought):
                    raise AlreadyAnswered(one.run_id)
                return True
        return False


def _check_answered(earlier: Earlier) -> None:
    """Passes calls that a run answered before."""
    if not earlier:
        raise NoPendingApproval
    for one in earlier.values():
        if one.run_id is None:
            raise NoPendingApproval(expired=one.state is ApprovalState.EXPIRED)


def _check_same(earlier: Earlier, given: Input) -> None:
    """Refuses answers to calls that were answered otherwise before."""
    said = {answer.call_id: approval_state(answer) for answer in given.answers}
    for call_id, one in earlier.items():
        if one.run_id and said.get(call_id, said.get("")) is not one.state:
            raise AnsweredOtherwise(call_id, one.state, one.run_id)


def _words(messages: Sequence[Message]) -> list[list[Part]]:
    return [list(message.parts) for message in messages]
