"""Agents: a model with a prompt, tools and memory."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

from services.contract.audit import Audited
from services.contract.blocks import Block, CreateBlock, Memory
from services.contract.compaction import CompactionSettings
from services.contract.counts import Count, PositiveCount
from services.contract.folders import Source
from services.contract.groups import Group
from services.contract.identities import Identity
from services.contract.ids import BlockId, FolderId, IdentityId, MessageId, ToolId
from services.contract.json_object import JsonObject
from services.contract.messages import ApprovalRequestMessage
from services.contract.model_configs import (
    DEFAULT_EMBEDDING_CHUNK_SIZE,
    EmbeddingConfig,
    LlmConfig,
)
from services.contract.model_settings import ModelSettings, ResponseFormat
from services.contract.new_messages import NewMessage
from services.contract.stop_reasons import StopReason
from services.contract.timestamps import Timestamp
from services.contract.tool_rules import ToolRule
from services.contract.tools import Tool
from services.contract.variable_name import VariableName

AgentType = Literal[
    "memgpt_agent",
    "memgpt_v2_agent",
    "letta_v1_agent",
    "react_agent",
    "workflow_agent",
    "split_thread_agent",
    "sleeptime_agent",
    "voice_convo_agent",
    "voice_sleeptime_agent",
]


def _is_a_name(name: str) -> str:
    if not name or not all(letter.isalnum() or letter in " -_'" for letter in name):
        raise PydanticCustomError(
            "agent_name",
            "Names of agents consist of letters, digits, spaces, hyphens, underscores and apostrophes",
        )
    return name


AgentName = Annotated[str, AfterValidator(_is_a_name)]


class EnvironmentVariable(Audited):
    """A variable in the environment of an agent's tools."""

    id: str
    key: str
    value: str
    description: str | None = None
    organization_id: str | None = None
    value_enc: str | None = None
    agent_id: str


class AgentState(Audited):
    """An agent with everything that belongs to it."""

    id: str
    name: str
    tool_rules: list[ToolRule] | None = None
    message_ids: list[str] | None = None
    system: str
    agent_type: AgentType
    llm_config: LlmConfig
    embedding_config: EmbeddingConfig | None = None
    model: str | None = None
    embedding: str | None = None
    model_settings: ModelSettings | None = None
    compaction_settings: CompactionSettings | None = None
    response_format: ResponseFormat | None = None
    description: str | None = None
    metadata: JsonObject | None = None
    memory: Memory
    blocks: list[Block]
    tools: list[Tool]
    sources: list[Source]
    tags: list[str]
    tool_exec_environment_variables: list[EnvironmentVariable] = []
    secrets: list[EnvironmentVariable] = []
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    identity_ids: list[str] = []
    identities: list[Identity] = []
    pending_approval: ApprovalRequestMessage | None = None
    message_buffer_autoclear: bool = False
    enable_sleeptime: bool | None = None
    multi_agent_group: Group | None = None
    managed_group: Group | None = None
    last_run_completion: Timestamp | None = None
    last_run_duration_ms: int | None = None
    last_stop_reason: StopReason | None = None
    timezone: str | None = None
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None
    hidden: bool | None = None


class AgentFields(BaseModel):
    """What callers decide about an agent, both when it is made and later."""

    name: AgentName | None = None
    description: str | None = None
    system: str | None = None
    model: str | None = None
    model_settings: ModelSettings | None = None
    embedding: str | None = None
    llm_config: LlmConfig | None = None
    embedding_config: EmbeddingConfig | None = None
    context_window_limit: PositiveCount | None = None
    max_tokens: PositiveCount | None = None
    reasoning: bool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    compaction_settings: CompactionSettings | None = None
    tool_ids: list[ToolId] | None = None
    tool_rules: list[ToolRule] | None = None
    block_ids: list[BlockId] | None = None
    folder_ids: list[FolderId] | None = None
    source_ids: list[FolderId] | None = None
    identity_ids: list[IdentityId] | None = None
    tags: list[str] | None = None
    metadata: JsonObject | None = None
    secrets: dict[VariableName, str] | None = None
    tool_exec_environment_variables: dict[VariableName, str] | None = None
    enable_sleeptime: bool | None = None
    timezone: str | None = None
    max_files_open: Count | None = None
    per_file_view_window_char_limit: Count | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    hidden: bool | None = None


class CreateAgent(AgentFields):
    """A new agent. It needs `model` or `llm_config`; without `name` it gets one."""

    agent_type: AgentType = "letta_v1_agent"
    memory_blocks: list[CreateBlock] | None = None
    tools: list[str] | None = None
    include_base_tools: bool = True
    include_multi_agent_tools: bool = False
    include_base_tool_rules: bool | None = None
    initial_message_sequence: list[NewMessage] | None = None
    memory_variables: dict[str, str] | None = None
    embedding_chunk_size: PositiveCount | None = DEFAULT_EMBEDDING_CHUNK_SIZE
    max_reasoning_tokens: Count | None = None
    enable_reasoner: bool | None = True
    message_buffer_autoclear: bool = False


class UpdateAgent(AgentFields):
    """What changes in an agent: the fields that were sent."""

    message_ids: list[MessageId] | None = None
    message_buffer_autoclear: bool | None = None
    last_run_completion: Timestamp | None = None
    last_run_duration_ms: Count | None = None
    last_stop_reason: StopReason | None = None


class DeletedAgent(BaseModel):
    """That an agent is gone."""

    message: str


class ToolApproval(BaseModel):
    """Whether calls of a tool wait for an approval. An older form says it in the query instead."""

    requires_approval: bool | None = None


class ResetMessages(BaseModel):
    """How the context window of an agent begins after it was emptied."""

    add_default_initial_messages: bool = False
