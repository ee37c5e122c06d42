"""What a model is asked: the conversation in the form in which every provider takes it."""

import itertools
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    Message,
    Part,
)
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from services.common.calls import tool_calls
from services.common.pairing import repair
from services.llm_router.model import Model

_NO_WORDS = "(This message is empty.)"
MAX_STEM = 32  # characters that a call id keeps when it gets a number; OpenAI takes 40


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
    """The messages that a model may see, each call followed by its return, no call id twice.

    Providers refuse a conversation where a call has no return, a return no call, where a text is blank, or where a
    message ends in reasoning. A call without a return gets one that says so, and so does a message without words;
    other loose ends are left out.
    """
    paired = repair([message for message in messages if message.role != ROLE_APPROVAL]).window
    tidied = (_without_last_thoughts(_without_blanks(message)) for message in paired)
    return list(_with_unique_ids(message for message in tidied if message.parts))


def _with_unique_ids(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages with other ids for calls whose ids came before: some models count anew in each answer."""
    seen: set[str] = set()
    ids: list[str] = []
    given: list[str] = []
    for message in messages:
        calls = [call.id for call in tool_calls(message)]
        if calls:
            ids, given = calls, _new_ids(calls, seen)
            seen.update(given)
        yield _rename(message, given) if given != ids and (calls or message.role == ROLE_TOOL) else message


def _new_ids(calls: list[str], seen: set[str]) -> list[str]:
    """An id for each call of a message: its own, or another where a call before it has that."""
    if seen.isdisjoint(calls) and len(set(calls)) == len(calls):
        return calls
    taken = seen.union(calls)
    given: list[str] = []
    for call_id in calls:
        is_new = call_id not in seen and call_id not in given
        given.append(call_id if is_new else _unused(call_id, taken))
        taken.add(given[-1])
    return given


def _unused(call_id: str, seen: Container[str]) -> str:
    numbers = itertools.count(2)
    return next(name for number in numbers if (name := f"{call_id[:MAX_STEM]}_{number}") not in seen)


def _rename(message: Message, ids: Iterable[str]) -> Message:
    """The message with these ids for its calls, or its returns, which stand in the order of their calls."""
    copy, names = Message(), iter(ids)
    copy.CopyFrom(message)
    for part in copy.parts:
        if part.HasField("tool_call"):
            part.tool_call.id = next(names)
        elif part.HasField("tool_return"):
            part.tool_return.call_id = next(names)
    return copy


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
