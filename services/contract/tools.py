"""Tools: what agents can do."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, PlainSerializer

from services.contract.json_object import JsonObject
from services.contract.variable_name import VariableName

DEFAULT_RETURN_CHAR_LIMIT = 50_000  # characters of a result that the model sees
MAX_RETURN_CHAR_LIMIT = 1_000_000

ReturnCharLimit = Annotated[int, Field(ge=1, le=MAX_RETURN_CHAR_LIMIT)]

ToolType = Literal[
    "custom",
    "letta_core",
    "letta_memory_core",
    "letta_multi_agent_core",
    "letta_sleeptime_core",
    "letta_voice_sleeptime_core",
    "letta_builtin",
    "letta_files_core",
    "external_langchain",
    "external_composio",
    "external_mcp",
]


# Whether calls may run beside others of their step. None: nobody said; they may, and the API shows false all the same.
ParallelExecution = Annotated[bool | None, PlainSerializer(bool, return_type=bool, when_used="json")]


class Requirement(BaseModel):
    """A package that a tool needs."""

    name: Annotated[str, Field(min_length=1)]
    version: str | None = None


class Tool(BaseModel):
    """A tool: its source, if it has one, and the JSON schema that the model sees.

    `network`: its code may connect to public addresses.
    """

    id: str
    tool_type: ToolType = "custom"
    description: str | None = None
    source_type: str | None = None
    name: str | None = None
    tags: list[str] = []
    source_code: str | None = None
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    return_char_limit: ReturnCharLimit = DEFAULT_RETURN_CHAR_LIMIT
    pip_requirements: list[Requirement] | None = None
    npm_requirements: list[Requirement] | None = None
    default_requires_approval: bool | None = None
    enable_parallel_execution: ParallelExecution = None
    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    metadata_: JsonObject | None = None
    project_id: str | None = None
    network: bool = False


class CreateTool(BaseModel):
    """A new tool. Without `json_schema` the schema comes from the source."""

    description: str | None = None
    tags: list[str] | None = None
    source_code: str
    source_type: str = "python"
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    return_char_limit: ReturnCharLimit = DEFAULT_RETURN_CHAR_LIMIT
    pip_requirements: list[Requirement] | None = None
    npm_requirements: list[Requirement] | None = None
    default_requires_approval: bool | None = None
    enable_parallel_execution: bool | None = None
    network: bool | None = None


class UpdateTool(BaseModel):
    """What changes in a tool: the fields that were sent."""

    description: str | None = None
    tags: list[str] | None = None
    source_code: str | None = None
    source_type: str | None = None
    json_schema: JsonObject | None = None
    args_json_schema: JsonObject | None = None
    return_char_limit: ReturnCharLimit | None = None
    pip_requirements: list[Requirement] | None = None
    npm_requirements: list[Requirement] | None = None
    metadata_: JsonObject | None = None
    default_requires_approval: bool | None = None
    enable_parallel_execution: bool | None = None
    network: bool | None = None


class RunTool(BaseModel):
    """Source code to run once as a tool, with its arguments and environment."""

    source_code: str
    args: JsonObject
    env_vars: dict[VariableName, str] = {}
    name: str | None = None
    source_type: str | None = None
    args_json_schema: JsonObject | None = None
    json_schema: JsonObject | None = None
    pip_requirements: list[Requirement] | None = None
    npm_requirements: list[Requirement] | None = None
    network: bool = False


class SourceCode(BaseModel):
    """Source code whose JSON schema is wanted."""

    code: str
    source_type: str | None = "python"


class SearchTools(BaseModel):
    """What tools are looked for. Without `query` the newest are found; `tags`: any of them."""

    query: str | None = None
    search_mode: Literal["vector", "fts", "hybrid"] = "hybrid"
    tool_types: list[str] | None = None
    tags: list[str] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class FoundTool(BaseModel):
    """A tool that was found, and how far up among the matches of its words: the first has rank 1."""

    tool: Tool
    embedded_text: str | None = None
    fts_rank: int | None = None
    vector_rank: int | None = None
    combined_score: float
