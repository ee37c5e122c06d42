"""Tools and outcomes as protobuf messages."""

import orjson
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from perdure.conversation.v1.message_pb2 import Image, ToolReturn, ToolStatus
from perdure.conversation.v1.model_pb2 import ToolDefinition, ToolKind
from perdure.tools.v1.tool_pb2 import Tool
from perdure.tools.v1.tool_service_pb2 import ExecuteResponse, UpsertToolRequest
from services.contract.json_object import JsonObject
from services.contract.tools import CreateTool
from services.tools.execution import Outcome
from services.tools.registry import UnusableTool
from services.tools.sandbox.job import Printed
from services.tools.stored_tool import StoredTool


def tool_definition(stored: StoredTool) -> ToolDefinition:
    """A tool as the model and the turn loop see it."""
    tool = stored.tool
    return ToolDefinition(
        id=tool.id,
        version=stored.version,
        name=stored.name,
        description=stored.description,
        parameters=orjson.dumps(stored.parameters).decode(),
        kind=_kind(stored),
        requires_approval=bool(tool.default_requires_approval),
        parallel=bool(tool.enable_parallel_execution),
        idempotent=stored.is_repeatable,
        return_char_limit=tool.return_char_limit,
        type=tool.tool_type,
    )


def _kind(stored: StoredTool) -> ToolKind.ValueType:
    if stored.is_memory:
        return ToolKind.TOOL_KIND_MEMORY
    return ToolKind.TOOL_KIND_AGENT if stored.is_run_of_agent else ToolKind.TOOL_KIND_SERVER


def tool_message(stored: StoredTool) -> Tool:
    """A registered tool."""
    tool = stored.tool
    return Tool(
        definition=tool_definition(stored),
        source_type=tool.source_type or "",
        source_code=tool.source_code or "",
        tags=tool.tags,
        json=tool.model_dump_json(),
    )


def new_tool(request: UpsertToolRequest) -> CreateTool:
    """The body of the REST operation that does the same; what is empty counts as not sent. Raises `UnusableTool`."""
    sent: JsonObject = {
        "source_code": request.source_code,
        "description": request.description,
        "tags": list(request.tags),
        "json_schema": _json_schema(request.json_schema),
        "return_char_limit": request.return_char_limit,
        "default_requires_approval": request.default_requires_approval,
    }
    try:
        return CreateTool.model_validate({name: value for name, value in sent.items() if value})
    except ValidationError as exc:
        raise UnusableTool(f"The tool cannot be used: {exc}") from exc


def _json_schema(text: str) -> JsonObject | None:
    try:
        schema: JsonObject | None = orjson.loads(text) if text else None
    except orjson.JSONDecodeError as exc:
        raise UnusableTool(f"json_schema is not valid JSON: {exc}") from exc
    return schema


def execute_response(event: Printed | Outcome, *, call_id: str, name: str) -> ExecuteResponse:
    """One event of a call."""
    if isinstance(event, Outcome):
        return ExecuteResponse(tool_return=_tool_return(event, call_id=call_id, name=name))
    if event.stream == "stdout":
        return ExecuteResponse(stdout=event.text)
    return ExecuteResponse(stderr=event.text)


def _tool_return(outcome: Outcome, *, call_id: str, name: str) -> ToolReturn:
    ended_at = Timestamp()
    ended_at.FromDatetime(outcome.ended_at)
    return ToolReturn(
        call_id=call_id,
        name=name,
        status=ToolStatus.TOOL_STATUS_ERROR if outcome.is_error else ToolStatus.TOOL_STATUS_SUCCESS,
        value=outcome.value,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        executed=True,
        images=[Image(data=image.data, media_type=image.media_type) for image in outcome.images],
        ended_at=ended_at,
    )
