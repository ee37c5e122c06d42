"""Agents with their tools and variables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.agents.schema import metadata

# The columns have the names of the fields of `services.contract.agents.AgentState`.
agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("name", Text, nullable=False),
    Column("agent_type", Text, nullable=False),
    Column("description", Text),
    Column("system", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_settings", JSONB, nullable=False),
    Column("llm_config", JSONB, nullable=False),
    Column("embedding", Text),
    Column("embedding_config", JSONB(none_as_null=True)),
    Column("tool_rules", JSONB, nullable=False),
    Column("compaction_settings", JSONB, nullable=False),
    Column("response_format", JSONB(none_as_null=True)),
    Column("metadata", JSONB(none_as_null=True)),
    Column("message_buffer_autoclear", Boolean, nullable=False),
    Column("enable_sleeptime", Boolean),
    Column("timezone", Text),
    Column("max_files_open", Integer),
    Column("per_file_view_window_char_limit", Integer),
    Column("hidden", Boolean),
    Column("project_id", Text),
    Column("template_id", Text),
    Column("base_template_id", Text),
    Column("deployment_id", Text),
    Column("entity_id", Text),
    Column("last_run_completion", DateTime(timezone=True)),
    Column("last_run_duration_ms", BigInteger),
    Column("last_stop_reason", Text),
    Index("agents_by_creation", "organization_id", "created_at", "id"),
    Index("agents_by_name", "organization_id", "name"),
)

# `definition` is a serialised perdure.conversation.v1.ToolDefinition of that version. `approval_waived`: the agent
# calls the tool without the approval that it asks for by default.
agent_tools = Table(
    "agent_tools",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), primary_key=True),
    Column("tool_id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("definition", LargeBinary, nullable=False),
    Column("approval_waived", Boolean, nullable=False, server_default=false()),
    Index("agent_tools_by_tool", "organization_id", "tool_id"),
)

# Variables for the environment of an agent's tools; `value_enc` as services.common.secrets writes it.
agent_variables = Table(
    "agent_variables",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),
    Column("value_enc", Text, nullable=False),
    Column("description", Text),
    Index("agent_variables_by_key", "agent_id", "key", unique=True),
)
