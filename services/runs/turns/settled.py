"""The calls of a turn that are done with. They stand in its committed messages: a new owner finds them there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perdure.conversation.v1.message_pb2 import (
    ROLE_SUMMARY,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_SUCCESS,
    ApprovalAnswer,
    Message,
    ToolReturn,
)

_BEGINNINGS = (ROLE_USER, ROLE_SYSTEM, ROLE_SUMMARY)

Answers = Mapping[str, ApprovalAnswer]  # the client's, by call
_NO_ANSWERS: Answers = {}


@dataclass(frozen=True)
class SettledCall:
    """A call that was carried out, by the server or by the client, or that the client denied."""

    name: str
    value: str = ""
    is_denied: bool = False


def find_answers(messages: Iterable[Message]) -> dict[str, ApprovalAnswer]:
    """What the client answered to approval requests."""
    answers = (part.approval_answer for message in messages for part in message.parts)
    return {answer.call_id: answer for answer in answers if answer.call_id}


def settle(returns: Iterable[ToolReturn], answers: Answers) -> list[SettledCall]:
    """Those calls that are done with: not those that were refused, or interrupted."""
    settled = []
    for returned in returns:
        answer = answers.get(returned.call_id)
        is_denied = answer is not None and answer.WhichOneof("answer") == "approve" and not answer.approve
        made_by_client = answer is not None and answer.HasField("result")
        if is_denied or made_by_client or returned.executed or returned.status == TOOL_STATUS_SUCCESS:
            settled.append(SettledCall(returned.name, returned.value, is_denied))
    return settled


def settled_steps(window: Sequence[Message], answers: Answers = _NO_ANSWERS) -> list[list[SettledCall]]:
    """The calls that were settled since the window's last input, by step; `answers` came before the window."""
    known = {**answers, **find_answers(window)}
    steps: list[list[SettledCall]] = []
    for message in reversed(window):
        if message.role in _BEGINNINGS and not _is_heartbeat(message):
            break
        if message.role == ROLE_TOOL:
            steps.append(settle((part.tool_return for part in message.parts), known))
    return [step for step in reversed(steps) if step]


def _is_heartbeat(message: Message) -> bool:
    """Whether the server wrote a message in the user's place: what users write has an otid."""
    return message.role == ROLE_USER and not message.otid
