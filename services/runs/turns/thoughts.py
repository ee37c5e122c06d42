"""Thoughts of models that do not reason by themselves: they write them down as the first argument of each call.

They are asked for so, shown and kept as reasoning, and given back as they were written.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, Message, Part, Reasoning, ToolCall
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.runs.v1.run_pb2 import MessageDelta, ToolCallDelta
from services.runs.json_text import take_text
from services.runs.turns.arguments import read_arguments, read_schema, with_schema

ARGUMENT = "thinking"
_SCHEMA = {"type": "string", "description": "What you think before you make this call. Nobody else reads it."}
_BEGINNING = re.compile(rf'\s*\{{\s*"{ARGUMENT}"\s*:\s*"')
_COMMA = re.compile(r"\s*,?\s*")


def with_thinking(tool: ToolDefinition) -> ToolDefinition:
    """The tool with the argument for thoughts, as the first."""
    schema = read_schema(tool)
    schema["properties"] = {ARGUMENT: _SCHEMA, **schema.get("properties", {})}
    schema["required"] = [ARGUMENT, *schema.get("required", ())]
    return with_schema(tool, schema)


def with_thoughts_in_calls(message: Message) -> Message:
    """The message as its model wrote it."""
    thoughts = [part.reasoning.text for part in message.parts if part.reasoning.in_call]
    if message.role != ROLE_ASSISTANT or not thoughts:
        return message
    written = Message()
    written.CopyFrom(message)
    del written.parts[:]
    for part in message.parts:
        if part.WhichOneof("kind") == "tool_call" and thoughts:
            written.parts.append(_written(part, thoughts.pop(0)))
        elif not part.reasoning.in_call:
            written.parts.append(part)
    return written


def _written(part: Part, thought: str) -> Part:
    arguments = read_arguments(part.tool_call.arguments)
    if arguments is None:
        return part
    written = Part()
    written.CopyFrom(part)
    written.tool_call.arguments = orjson.dumps({ARGUMENT: thought, **arguments}).decode()
    return written


class ThinkingCall:
    """Separates the thought from the other arguments of one call, while they arrive.

    The thought is told as it comes where it is the first argument; otherwise all is held back to the end.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._state = "waiting"

    def hear(self, fragment: str) -> tuple[str, str]:
        """What a further fragment adds to the thought, and to the arguments without it."""
        self._rest += fragment
        if self._state == "waiting" and (begun := _BEGINNING.match(self._rest)):
            self._state, self._rest = "thinking", self._rest[begun.end() :]
        thought = self._take_thought() if self._state == "thinking" else ""
        return thought, self._take_arguments()

    def finish(self) -> tuple[str, str]:
        """What was held back: of the thought, and of the arguments."""
        arguments = read_arguments(self._rest) if self._state == "waiting" else None
        if arguments is None or not isinstance(arguments.get(ARGUMENT), str):
            return "", self._rest if self._state == "waiting" else ""
        thought = arguments.pop(ARGUMENT)
        return thought, orjson.dumps(arguments).decode()

    def _take_thought(self) -> str:
        thought, self._rest = take_text(self._rest)
        if self._rest.startswith('"'):
            self._state, self._rest = "closing", self._rest[1:]
        return thought

    def _take_arguments(self) -> str:
        if self._state == "closing":
            comma = _COMMA.match(self._rest)
            following = self._rest[comma.end() :] if comma else ""
            if not following:
                return ""
            self._state, self._rest = "passing", "{" + following
        if self._state != "passing":
            return ""
        arguments, self._rest = self._rest, ""
        return arguments


@dataclass
class _HeardCall:
    call: ToolCallDelta
    arguments: ThinkingCall = field(default_factory=ThinkingCall)
    thought_text: str = ""
    arguments_text: str = ""
    is_named: bool = False


class ThoughtSplitter:
    """Makes reasoning of the thoughts in the calls of one answer: in its deltas, and then in the whole."""

    def __init__(self) -> None:
        self._calls: dict[int, _HeardCall] = {}
        self._indexes: dict[tuple[int, bool], int] = {}

    def split(self, deltas: Sequence[MessageDelta]) -> list[MessageDelta]:
        """The deltas, with thoughts apart; some are held back."""
        return [told for delta in deltas for told in self._split(delta)]

    def finish(self, parts: Sequence[Part], message_id: str) -> tuple[list[MessageDelta], list[Part]]:
        """The deltas that were held back, and the parts of the whole answer, with thoughts apart."""
        told: list[MessageDelta] = []
        for index, part in enumerate(parts):
            if part.WhichOneof("kind") == "tool_call":
                told += self._finish_call(index, part.tool_call, message_id)
        return told, [shown for index, part in enumerate(parts) for shown in self._shown(index, part)]

    def _split(self, delta: MessageDelta) -> Iterator[MessageDelta]:
        index = delta.part_index
        if not delta.HasField("tool_call"):
            delta.part_index = self._number(index)
            yield delta
            return
        heard = self._calls.setdefault(index, _HeardCall(delta.tool_call))
        yield from self._tell(index, delta.message_id, *heard.arguments.hear(delta.tool_call.arguments))

    def _finish_call(self, index: int, call: ToolCall, message_id: str) -> Iterator[MessageDelta]:
        if index not in self._calls:  # it came whole
            self._calls[index] = _HeardCall(ToolCallDelta(id=call.id, name=call.name))
            yield from self._tell(index, message_id, *self._calls[index].arguments.hear(call.arguments))
        heard = self._calls[index]
        yield from self._tell(index, message_id, *heard.arguments.finish(), is_last=True)

    def _tell(
        self, index: int, message_id: str, thought: str, arguments: str, *, is_last: bool = False
    ) -> Iterator[MessageDelta]:
        heard = self._calls[index]
        heard.thought_text += thought
        heard.arguments_text += arguments
        if thought:
            part_index = self._number(index, is_thought=True)
            yield MessageDelta(message_id=message_id, part_index=part_index, reasoning=thought, in_call=True)
        if arguments or (is_last and not heard.is_named):
            name = "" if heard.is_named else heard.call.name
            heard.is_named = True
            call = ToolCallDelta(id=heard.call.id, name=name, arguments=arguments)
            yield MessageDelta(message_id=message_id, part_index=self._number(index), tool_call=call)

    def _number(self, index: int, *, is_thought: bool = False) -> int:
        """The new index of a part, by when it is first told."""
        return self._indexes.setdefault((index, is_thought), len(self._indexes))

    def _shown(self, index: int, part: Part) -> Iterator[Part]:
        heard = self._calls.get(index)
        if heard is None:
            yield part
            return
        if heard.thought_text:
            yield Part(reasoning=Reasoning(text=heard.thought_text, in_call=True))
        call = Part()
        call.CopyFrom(part)
        call.tool_call.arguments = heard.arguments_text
        yield call
