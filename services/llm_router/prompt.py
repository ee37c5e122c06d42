"""What a model is asked: the conversation in the form in which every provider takes it."""

import itertools
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    Message,
    Part,
)
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from services.common.calls import tool_calls, tool_returns
from services.common.pairing import repair
from services.llm_router.images import with_shown_images
from services.llm_router.model import Model

_NO_WORDS = "(This message is empty.)"
_UNKNOWN = "unknown"  # a call that has no id, or no name
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")  # what Anthropic and OpenAI refuse in ids and names
MAX_NAME = 64  # characters of the name of a call; OpenAI and Gemini take no more
MAX_ID = 40  # characters of its id; OpenAI takes no more
MAX_STEM = 32  # of these, what an id keeps when it gets a number


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

    @property
    def shows_images(self) -> bool:
        """Whether the model sees, and there is something to see."""
        return self.model.vision and any(
            part.HasField("image") or part.tool_return.images for message in self.messages for part in message.parts
        )

    def without_images(self) -> "Prompt":
        """The same prompt for a model that sees nothing."""
        return replace(self, model=replace(self.model, vision=False))

    def without_strictness(self) -> "Prompt":
        """The same prompt for a model that is not held to the schemas of the tools."""
        settings = ModelSettings()
        settings.CopyFrom(self.settings)
        settings.strict = False
        return replace(self, settings=settings)

    def is_own(self, message: Message) -> bool:
        """Whether the message was written by a model of the same provider, which may have its opaque data back."""
        return self.recalls and message.model.partition("/")[0] == self.model.provider_name


def tidy_messages(messages: Iterable[Message]) -> list[Message]:
    """The messages that a model may see, each call followed by its return, no call id twice.

    Providers refuse a conversation where a call has no return, a return no call, where a text is blank, where an image
    is none, where a message ends in reasoning, or where ids and names of calls are unlike their own. A call without a
    return gets one that says so, and so does a message without words; other loose ends are left out.
    """
    paired = repair([message for message in messages if message.role != ROLE_APPROVAL]).window
    tidied = (_without_last_thoughts(_without_blanks(with_shown_images(message))) for message in paired)
    return list(_with_fit_labels(message for message in tidied if message.parts))


def _with_fit_labels(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages with ids and names of calls that every provider takes, no id twice.

    Some models count their calls anew in each answer, have longer ids than others take, or call what can be no tool.
    """
    seen: set[str] = set()
    labels: list[tuple[str, str]] = []
    for message in messages:
        calls = tool_calls(message)
        if calls:
            ids = _new_ids([_fit(call.id, MAX_ID) for call in calls], seen)
            seen.update(ids)
            labels = [(call_id, _fit(call.name, MAX_NAME)) for call_id, call in zip(ids, calls, strict=True)]
        yield _relabel(message, labels) if calls or message.role == ROLE_TOOL else message


def _fit(text: str, longest: int) -> str:
    return _UNFIT.sub("_", text)[:longest] or _UNKNOWN


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


def _relabel(message: Message, labels: Sequence[tuple[str, str]]) -> Message:
    """The message with these ids and names for its calls, or its returns, which stand in the order of their calls."""
    called = [(call.id, call.name) for call in tool_calls(message)]
    if (called or [(returned.call_id, returned.name) for returned in tool_returns(message)]) == labels:
        return message
    copy, rest = Message(), iter(labels)
    copy.CopyFrom(message)
    for part in copy.parts:
        if part.HasField("tool_call"):
            part.tool_call.id, part.tool_call.name = next(rest)
        elif part.HasField("tool_return"):
            part.tool_return.call_id, part.tool_return.name = next(rest)
    return copy


def _without_blanks(message: Message) -> Message:
    parts = [
        part
        for part in message.parts
        if part.WhichOneof("kind") != "text" or part.text.strip() or (part.text and part.provider_data)
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
