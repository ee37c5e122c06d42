"""What a model is asked: the conversation in the form in which every provider takes it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    TOOL_STATUS_ERROR,
    Message,
    Part,
    ToolCall,
    ToolReturn,
)
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from services.llm_router.model import Model

_NO_WORDS = "(This message is empty.)"
_NO_RETURN = "The call has no result: it was interrupted, and whether it took effect is unknown."


@dataclass(frozen=True)
class Prompt:
    """A conversation, oldest message first, and how to ask.

    `cache_key` names the conversation to prompt caches. Without `recalls`, opaque provider data stays out.
    """

    model: Model
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition]
    settings: ModelSettings
    tool_choice: str = "auto"
    cache_key: str = ""
    recalls: bool = True

    def is_own(self, message: Message) -> bool:
        """Whether the message was written by a model of the same provider, which may have its opaque data back."""
        return self.recalls and message.model.partition("/")[0] == self.model.provider_name


def tidy_messages(messages: Iterable[Message]) -> list[Message]:
    """The messages that a model may see, each call followed by its return.

    Providers refuse a conversation where a call has no return, a return no call, where a text is blank, or where a
    message ends in reasoning. A call without a return gets one that says so, and so does a message without words;
    other loose ends are left out.
    """
    kept = [_without_blanks(message) for message in messages if message.role != ROLE_APPROVAL]
    returns = {
        part.tool_return.call_id: part for message in kept if message.role == ROLE_TOOL for part in message.parts
    }
    return list(_with_returns(kept, returns))


def _with_returns(messages: Iterable[Message], returns: dict[str, Part]) -> Iterator[Message]:
    for message in messages:
        if message.role == ROLE_TOOL:
            continue
        spoken = _without_last_thoughts(message)
        if spoken.parts:
            yield spoken
        calls = [part.tool_call for part in spoken.parts if part.HasField("tool_call")]
        if calls:
            parts = [returns.get(call.id) or _missing_return(call) for call in calls]
            yield Message(role=ROLE_TOOL, parts=parts, created_at=message.created_at)


def _without_blanks(message: Message) -> Message:
    parts = [
        part for part in message.parts if part.WhichOneof("kind") != "text" or part.text.strip() or part.provider_data
    ]
    if len(parts) == len(message.parts) and parts:
        return message
    if not parts and message.role != ROLE_ASSISTANT:
        parts = [Part(text=_NO_WORDS)]
    return Message(
        role=message.role, parts=parts, created_at=message.created_at, model=message.model, name=message.name
    )


def _without_last_thoughts(message: Message) -> Message:
    last = len(message.parts)
    while last and message.parts[last - 1].HasField("reasoning"):
        last -= 1
    if last == len(message.parts):
        return message
    return Message(role=message.role, parts=message.parts[:last], created_at=message.created_at, model=message.model)


def _missing_return(call: ToolCall) -> Part:
    return Part(
        tool_return=ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_ERROR, value=_NO_RETURN),
    )
