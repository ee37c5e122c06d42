"""Listings with tools that break the protocol: the mcp package refuses the whole of one for one such tool."""

from collections.abc import Mapping
from typing import Any

from mcp.types import Tool
from mcp.types.methods import validate_server_result
from pydantic import ValidationError

from services.contract.json_object import JsonObject
from services.contract.mcp import McpTool, McpToolHealth

LIST_TOOLS = "tools/list"
PROBLEM = "perdure/problem"  # in the _meta of what stands for an unreadable tool: what is wrong with it


def make_readable(result: JsonObject, version: str) -> None:
    """Puts something readable for each tool that the protocol's version does not allow."""
    if isinstance(result.get("tools"), list):
        result["tools"] = [_readable(one, result, version) for one in result["tools"]]


def read_tool(listed: Tool) -> McpTool:
    """A tool of a listing; its health says why if it could not be read."""
    problem = (listed.meta or {}).get(PROBLEM)
    if isinstance(problem, str):
        return McpTool(name=listed.name, input_schema=listed.input_schema, health=McpToolHealth(reasons=[problem]))
    return McpTool.model_validate({**listed.model_dump(mode="json", by_alias=True), "health": None})


def _readable(listed: Any, result: JsonObject, version: str) -> Any:  # Any: whatever JSON holds
    if isinstance(listed, dict) and isinstance(schema := listed.get("inputSchema"), dict):
        listed = {**listed, "inputSchema": {"type": "object", **schema}}  # which many leave out
    problem = _problem({**result, "tools": [listed]}, version)
    if not problem:
        return listed
    name = listed.get("name") if isinstance(listed, dict) else None
    named = name if isinstance(name, str) else ""
    return {"name": named, "inputSchema": {"type": "object"}, "_meta": {PROBLEM: problem}}


def _problem(result: Mapping[str, Any], version: str) -> str:  # Any: whatever JSON holds
    try:
        validate_server_result(LIST_TOOLS, version, result)
    except ValidationError as exc:
        wrong = [problem for problem in exc.errors(include_input=False) if problem["loc"][:1] == ("tools",)]
        return "; ".join(f"{_path(problem['loc'])}: {problem['msg']}" for problem in wrong)
    return ""


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location[2:])) or "the tool"
