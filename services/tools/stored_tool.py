"""A tool as it is kept: its public record, whose it is, and which version."""

from dataclasses import dataclass

from services.contract.json_object import JsonObject
from services.contract.tools import Tool, ToolType
from services.tools.base_tools import AGENT_TOOL_NAMES, MEMORY_TOOL_NAMES, REPEATABLE_TOOL_NAMES

BASE_PREFIX = "letta_"  # of the types of tools that come with the server
SAFE_TAG = "safe-to-repeat"  # of tools whose calls may be made again where nobody knows what came of them
MCP_TYPE: ToolType = "external_mcp"  # of tools that an MCP server runs


@dataclass(frozen=True)
class StoredTool:
    """One version of a tool."""

    organization_id: str
    version: int
    tool: Tool

    @property
    def name(self) -> str:
        """What the model calls."""
        return self.tool.name or ""

    @property
    def is_base(self) -> bool:
        """It comes with the server."""
        return self.tool.tool_type.startswith(BASE_PREFIX)

    @property
    def is_mcp(self) -> bool:
        """An MCP server runs it."""
        return self.tool.tool_type == MCP_TYPE

    @property
    def is_memory(self) -> bool:
        """It runs in the agents service, as part of the step."""
        return self.is_base and self.name in MEMORY_TOOL_NAMES

    @property
    def is_run_of_agent(self) -> bool:
        """It runs in the runs service, as a run of another agent."""
        return self.is_base and self.name in AGENT_TOOL_NAMES

    @property
    def is_repeatable(self) -> bool:
        """A call that may have been made can be made again without harm."""
        return SAFE_TAG in (self.tool.tags or ()) or (self.is_base and self.name in REPEATABLE_TOOL_NAMES)

    @property
    def description(self) -> str:
        """What the model is told."""
        return self.tool.description or (self.tool.json_schema or {}).get("description") or ""

    @property
    def parameters(self) -> JsonObject:
        """The JSON schema of the arguments."""
        schema: JsonObject | None = (self.tool.json_schema or {}).get("parameters")
        return schema or {"type": "object", "properties": {}, "required": []}
