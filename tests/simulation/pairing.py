"""What the strictest provider asks of a history, written down apart from the product's own rule."""

from collections.abc import Collection, Sequence

from perdure.conversation.v1.message_pb2 import ROLE_APPROVAL, ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_TOOL, Message


def broken_rules(messages: Sequence[Message], *, open_ids: Collection[str] = ()) -> list[str]:
    """Every call has one return in the next message, every return its call, and no id is used twice in a message.

    Calls of the messages in `open_ids` may have no returns yet, if nothing but answers and input follows.
    """
    sent = [message for message in messages if message.role != ROLE_APPROVAL]
    problems = [] if not sent or sent[0].role == ROLE_SYSTEM else ["the first message is not the system's"]
    problems += [f"{one.id} is a second system message" for one in sent[1:] if one.role == ROLE_SYSTEM]
    for index, message in enumerate(sent):
        follower = sent[index + 1] if index + 1 < len(sent) else None
        calls, returns = _calls(message), _returns(follower)
        if len(set(calls)) < len(calls):
            problems.append(f"{message.id} uses a call id twice")
        is_open = message.id in open_ids and not returns
        if message.role == ROLE_ASSISTANT and calls and sorted(calls) != sorted(returns) and not is_open:
            problems.append(f"{message.id} has the calls {calls} and then the returns {returns}")
        if message.role == ROLE_TOOL and (index == 0 or not _calls(sent[index - 1])):
            problems.append(f"{message.id} has returns without calls")
    return problems


def _calls(message: Message) -> list[str]:
    return [part.tool_call.id for part in message.parts if part.HasField("tool_call")]


def _returns(message: Message | None) -> list[str]:
    if message is None or message.role != ROLE_TOOL:
        return []
    return [part.tool_return.call_id for part in message.parts if part.HasField("tool_return")]
