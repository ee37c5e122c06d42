"""A tool that comes with the server."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.common.ids import new_id
from services.contract.json_object import JsonObject
from services.contract.tools import Tool, ToolType


@dataclass(frozen=True)
class BaseTool:
    """A tool that comes with the server. `parameters` are JSON schemas by name; the optional ones need not be given."""

    name: str
    tool_type: ToolType
    description: str
    parameters: Mapping[str, JsonObject]
    optional: tuple[str, ...] = ()
    is_parallel: bool = False

    def schema(self) -> JsonObject:
        """What the model sees."""
        return {
            "name": self.name,
            "description": self.description,
            "parameters": {
                "type": "object",
                "properties": dict(self.parameters),
                "required": [name for name in self.parameters if name not in self.optional],
            },
        }

    def record(self, user_id: str) -> Tool:
        """A new tool with this content."""
        return Tool(
            id=new_id("tool"),
            tool_type=self.tool_type,
            description=self.description,
            source_type="python",
            name=self.name,
            tags=[self.tool_type],
            json_schema=self.schema(),
            enable_parallel_execution=self.is_parallel,
            created_by_id=user_id,
            last_updated_by_id=user_id,
            metadata_={},
        )


def text(description: str) -> JsonObject:
    """The schema of a text."""
    return {"type": "string", "description": description}


def whole_number(description: str) -> JsonObject:
    """The schema of a whole number."""
    return {"type": "integer", "description": description}


def texts(description: str) -> JsonObject:
    """The schema of a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": description}
