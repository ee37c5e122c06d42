"""Tools and outcomes as protobuf messages."""

import json

import orjson
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from perdure.conversation.v1.message_pb2 import Image as ImageMessage
from perdure.conversation.v1.message_pb2 import ToolReturn, ToolStatus
from perdure.conversation.v1.model_pb2 import ToolDefinition, ToolKind
from perdure.tools.v1.tool_pb2 import Requirement as RequirementMessage
from perdure.tools.v1.tool_pb2 import Tool
from perdure.tools.v1.tool_service_pb2 import ExecuteResponse, UpsertToolRequest
from services.common.validation import tell_problems
from services.contract.json_object import JsonObject
from services.contract.tools import CreateTool, Requirement
from services.tools.definition import UnusableTool
from services.tools.image import Image
from services.tools.outcome import Outcome
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
        parameters=json.dumps(stored.parameters),  # of MCP servers, too, with numbers of any size
        kind=_kind(stored),
        requires_approval=bool(tool.default_requires_approval),
        parallel=stored.is_base or tool.enable_parallel_execution is not False,
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
        network=tool.network,
        pip_requirements=map(_requirement, tool.pip_requirements or ()),
        npm_requirements=map(_requirement, tool.npm_requirements or ()),
    )


def _requirement(wanted: Requirement) -> RequirementMessage:
    return RequirementMessage(name=wanted.name, version=wanted.version or "")


def new_tool(request: UpsertToolRequest) -> CreateTool:
    """The body of the REST operation that does the same; what is empty counts as not sent. Raises `UnusableTool`."""
    sent: JsonObject = {
        "source_code": request.source_code,
        "description": request.description,
        "tags": list(request.tags),
        "json_schema": _json_schema(request.json_schema),
        "return_char_limit": request.return_char_limit,
        "default_requires_approval": request.default_requires_approval,
        "source_type": request.source_type,
        "network": request.network,
        "pip_requirements": list(map(_read_requirement, request.pip_requirements)),
        "npm_requirements": list(map(_read_requirement, request.npm_requirements)),
    }
    fields = {name: value for name, value in sent.items() if value}
    if request.HasField("enable_parallel_execution"):
        fields["enable_parallel_execution"] = request.enable_parallel_execution
    try:
        return CreateTool.model_validate(fields)
    except ValidationError as exc:
        raise UnusableTool(f"The tool cannot be used: {'; '.join(tell_problems(exc))}") from exc


def _read_requirement(wanted: RequirementMessage) -> JsonObject:
    return {"name": wanted.name, "version": wanted.version or None}


def _json_schema(text: str) -> JsonObject | None:
    try:
        schema: JsonObject | None = orjson.loads(text) if text else None
    except orjson.JSONDecodeError as exc:
        raise UnusableTool(f"json_schema is not valid JSON: {exc}") from exc
    return schema


def execute_response(event: Printed | Outcome, *, call_id: str, name: str) -> ExecuteResponse:
    """One event of a call."""
    if isinstance(event, Outcome):
        return ExecuteResponse(tool_return=_tool_return(event, call_id=call_id, name=name), result_json=event.json)
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
        images=map(_image, outcome.images),
        ended_at=ended_at,
    )


def _image(image: Image) -> ImageMessage:
    if image.url:
        return ImageMessage(url=image.url)
    return ImageMessage(data=image.data, media_type=image.media_type)
