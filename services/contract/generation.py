"""Tools that a model writes."""

from typing import Annotated

from pydantic import BaseModel, Field

from services.contract.json_object import JsonObject
from services.contract.tools import Tool


class GenerateTool(BaseModel):
    """What tool is wanted, of which model. `validation_errors` are the problems of what was written before."""

    tool_name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    prompt: Annotated[str, Field(min_length=1)]
    handle: str | None = None
    starter_code: str | None = None
    validation_errors: list[str] = []


class GeneratedTool(BaseModel):
    """A tool, which is not stored, with arguments to try it with and what the model says of it."""

    tool: Tool
    sample_args: JsonObject
    response: str
