"""The arguments of tool calls, and the schemas by which models are asked for them: both are JSON."""

from collections.abc import Mapping
from typing import Any

import orjson

from perdure.conversation.v1.model_pb2 import ToolDefinition


def read_arguments(text: str) -> dict[str, Any] | None:  # Any: JSON
    """What a model wrote; None for anything but a JSON object."""
    try:
        read = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return None
    return read if isinstance(read, dict) else None


def read_schema(tool: ToolDefinition) -> dict[str, Any]:  # Any: JSON
    """The JSON schema of a tool's arguments."""
    return dict(orjson.loads(tool.parameters or "{}"))


def with_schema(tool: ToolDefinition, schema: Mapping[str, Any]) -> ToolDefinition:  # Any: JSON
    """The tool with another schema."""
    changed = ToolDefinition()
    changed.CopyFrom(tool)
    changed.parameters = orjson.dumps(schema).decode()
    return changed
