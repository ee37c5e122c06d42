"""Answers to approval requests: which calls they decide, and how."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ApprovalAnswer,
    Message,
    ToolReturn,
)
from services.agents.turns.call_order import in_call_order
from services.agents.turns.errors import InvalidCallIds, WrongRequest
from services.agents.turns.turn import Input, OpenRequest
from services.common.calls import tool_calls
from services.common.pairing import failed_return, interruption

DENIAL = "Error: request to call tool denied. User reason: {reason}"  # clients look for these words
NO_REASON = "not given"
CANCELLATION = DENIAL.format(reason="the run was cancelled")
EXPIRATION = "Error: request to call tool denied. Nobody answered it in time."


class ApprovalState(StrEnum):
    """What became of a call that waits for the client. RETURNED: the client made it itself."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


def match_answers(request_id: str, call_ids: Sequence[str], given: Input) -> list[ApprovalAnswer]:
    """One answer for each call of the request, in the order given.

    Raises `WrongRequest` or `InvalidCallIds` when they answer something else.
    """
    if given.request_id:
        if given.request_id != request_id:
            raise WrongRequest(request_id, given.request_id)
        return [_answer_to(call_id, given.answers[0]) for call_id in call_ids]
    received = [answer.call_id for answer in given.answers]
    if sorted(received) != sorted(call_ids):
        raise InvalidCallIds(call_ids, received)
    return list(given.answers)


def _answer_to(call_id: str, answer: ApprovalAnswer) -> ApprovalAnswer:
    one = ApprovalAnswer()
    one.CopyFrom(answer)
    one.call_id = call_id
    return one


def approval_state(answer: ApprovalAnswer) -> ApprovalState:
    """The state of an approval with this answer."""
    if answer.WhichOneof("answer") == "result":
        return ApprovalState.RETURNED
    return ApprovalState.APPROVED if answer.approve else ApprovalState.DENIED


def find_message(window: Sequence[Message], message_id: str) -> Message | None:
    """The message of a window that has this id."""
    return next((message for message in window if message.id == message_id), None)


def find_answers(window: Sequence[Message], run_id: str) -> dict[str, ApprovalAnswer]:
    """The answers that a run brought, by call."""
    brought = [message for message in window if message.role == ROLE_APPROVAL and message.run_id == run_id]
    return {part.approval_answer.call_id: part.approval_answer for message in brought for part in message.parts}


def open_request(request: Message, answers: Mapping[str, ApprovalAnswer]) -> OpenRequest:
    """What an answered request leaves to do. Calls that needed no approval have waited for the others."""
    pending, known = [], []
    for call in tool_calls(request):
        answer = answers.get(call.id)
        if answer is None or (answer.WhichOneof("answer") == "approve" and answer.approve):
            pending.append(call)
        elif answer.WhichOneof("answer") == "result":
            known.append(_client_return(call.id, call.name, answer.result))
        else:
            known.append(failed_return(call, DENIAL.format(reason=answer.reason or NO_REASON)))
    return OpenRequest(request.step_id, pending, known)


def _client_return(call_id: str, name: str, result: ToolReturn) -> ToolReturn:
    returned = ToolReturn()
    returned.CopyFrom(result)
    returned.call_id = call_id
    returned.name = name
    returned.executed = False
    return returned


def close_answered(request: Message, answers: Mapping[str, ApprovalAnswer]) -> list[ToolReturn]:
    """Returns for all calls of a request whose answer was never carried out to the end."""
    left = open_request(request, answers)
    lost = [failed_return(call, interruption(call)) for call in left.pending_calls]
    return in_call_order(tool_calls(request), [*left.known_returns, *lost])


def deny_all(request: Message, text: str) -> list[ToolReturn]:
    """Denials for all calls of a request that will not be answered any more."""
    return [failed_return(call, text) for call in tool_calls(request)]
