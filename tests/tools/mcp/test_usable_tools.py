"""Tools of MCP servers that cannot be kept."""

from typing import Any

import pytest

from services.contract.mcp import McpTool
from services.tools.mcp.registration import check
from services.tools.schemas.source import BadSource


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "a\0b"},
        {"name": "a", "description": "\0"},
        {"name": "a", "inputSchema": {"properties": {"x": {"description": "\0"}}}},
        {"name": "a", "inputSchema": {"properties": {"x": {"default": 10**400}}}},
        {"name": "a", "inputSchema": {"properties": {"x": {"default": float("inf")}}}},
    ],
)
def test_what_cannot_be_stored_or_sent_is_refused(tool: dict[str, Any]) -> None:
    with pytest.raises(BadSource):
        check(McpTool.model_validate({"inputSchema": {"type": "object"}, **tool}))


def test_arguments_within_arguments_without_end_are_refused() -> None:
    links = {f"d{n}": {"properties": {"next": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(1500)}

    with pytest.raises(BadSource, match="nested too deeply"):
        check(McpTool(name="deep", input_schema={"$ref": "#/$defs/d0", "$defs": links}))


def test_any_name_is_fine() -> None:
    check(McpTool.model_validate({"name": "weird name! ü", "inputSchema": {"type": "object"}}))
