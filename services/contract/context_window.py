"""What fills the context window of an agent."""

from typing import Literal

from pydantic import BaseModel

from services.contract.json_object import JsonObject
from services.contract.stored_messages import StoredMessage


class FunctionDefinition(BaseModel):
    """A tool as the model is told of it."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class FunctionTool(BaseModel):
    """A tool, in the form of OpenAI's chat completions."""

    function: FunctionDefinition
    type: Literal["function"] = "function"


class ContextWindow(BaseModel):
    """The parts of the context window with their sizes in tokens."""

    context_window_size_max: int
    context_window_size_current: int
    num_messages: int
    num_archival_memory: int
    num_recall_memory: int
    num_tokens_external_memory_summary: int
    external_memory_summary: str
    num_tokens_system: int
    system_prompt: str
    num_tokens_core_memory: int
    core_memory: str
    num_tokens_memory_filesystem: int = 0
    memory_filesystem: str | None = None
    num_tokens_tool_usage_rules: int = 0
    tool_usage_rules: str | None = None
    num_tokens_directories: int = 0
    directories: str | None = None
    num_tokens_summary_memory: int
    summary_memory: str | None = None
    num_tokens_functions_definitions: int
    functions_definitions: list[FunctionTool] | None
    num_tokens_messages: int
    messages: list[StoredMessage]
