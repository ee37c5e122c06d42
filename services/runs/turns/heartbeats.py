"""The older types of agents: they act by calling tools, and say in each call whether they want to go on after it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_ERROR, ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.ids import new_id
from services.runs.turns.arguments import read_arguments, read_schema, with_schema

OLDER_TYPES = ("memgpt_agent", "memgpt_v2_agent", "react_agent", "workflow_agent")
ARGUMENT = "request_heartbeat"
_SCHEMA = {
    "type": "boolean",
    "description": "Whether you want to go on after this call, to look at what it returned or to make another one. "
    "Otherwise your turn ends with it.",
}

_FAILED = "A call failed. You have the word again."
_ASKED = "You asked to go on after this call. You have the word again."
_RULED = "This call does not end your turn. You have the word again."


@dataclass(frozen=True)
class Heartbeat:
    """A stored message that gives the agent the word again: its id, and why it goes on."""

    message_id: str
    reason: str


def heartbeat_after(calls: Sequence[ToolCall], returns: Iterable[ToolReturn]) -> Heartbeat | None:
    """The heartbeat after a step that is not the last; None where nothing was called."""
    if not calls:
        return None
    has_failed = any(returned.status == TOOL_STATUS_ERROR for returned in returns)
    return Heartbeat(new_id("message"), _FAILED if has_failed else _ASKED if asks_to_go_on(calls) else _RULED)


def with_heartbeat(tool: ToolDefinition) -> ToolDefinition:
    """The tool with the argument that asks to go on."""
    schema = read_schema(tool)
    schema["properties"] = {**schema.get("properties", {}), ARGUMENT: _SCHEMA}
    schema["required"] = [*schema.get("required", ()), ARGUMENT]
    return with_schema(tool, schema)


def without_heartbeat(call: ToolCall) -> ToolCall:
    """The call as the tool is to get it."""
    arguments = read_arguments(call.arguments)
    if arguments is None or ARGUMENT not in arguments:
        return call
    del arguments[ARGUMENT]
    return ToolCall(id=call.id, name=call.name, arguments=orjson.dumps(arguments).decode())


def asks_to_go_on(calls: Iterable[ToolCall]) -> bool:
    """Whether one of the calls does."""
    return any((read_arguments(call.arguments) or {}).get(ARGUMENT) is True for call in calls)
