"""The tables of the tools service."""

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
)

metadata = MetaData(schema="tools")

_Json = JSON(none_as_null=True)  # not JSONB: the order of keys is the caller's

tools = Table(
    "tools",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # the order in which tools were made
    Column("version", BigInteger, nullable=False),
    Column("tool_type", Text, nullable=False),
    Column("description", Text),
    Column("source_type", Text),
    Column("name", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("source_code", Text),
    Column("json_schema", _Json),
    Column("args_json_schema", _Json),
    Column("return_char_limit", Integer, nullable=False),
    Column("pip_requirements", _Json),
    Column("npm_requirements", _Json),
    Column("default_requires_approval", Boolean),
    Column("enable_parallel_execution", Boolean),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("metadata_", _Json),
    Column("project_id", Text),
    Column("network", Boolean, nullable=False, server_default=false()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("organization_id", "name", name="tools_name"),
    Index("tools_position", "organization_id", "position"),
)

# Tools that changed or went away and that the agents service does not know of yet.
outbox = Table(
    "outbox",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("tool_id", Text, nullable=False),
    Index("outbox_organization", "organization_id"),
)

mcp_servers = Table(
    "mcp_servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # the order in which servers were made
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("config", Text, nullable=False),  # how the server is reached, as encrypted JSON
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("organization_id", "name", name="mcp_servers_name"),
)

# The tools that were registered from MCP servers.
mcp_tools = Table(
    "mcp_tools",
    metadata,
    Column("tool_id", Text, ForeignKey("tools.tools.id", ondelete="CASCADE"), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # the order of the server
    Column("server_id", Text, ForeignKey("tools.mcp_servers.id", ondelete="CASCADE"), nullable=False),
    Column("remote_name", Text, nullable=False),  # what the server calls the tool
    UniqueConstraint("server_id", "remote_name", name="mcp_tools_remote_name"),
)

# How the tools of an organisation run: one row of each type. `config` holds no secrets.
sandbox_configs = Table(
    "sandbox_configs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # the order in which they were made
    Column("type", Text, nullable=False),
    Column("config", _Json, nullable=False),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("organization_id", "type", name="sandbox_configs_type"),
)

# Variables in the environment of all tools of a sandbox.
sandbox_variables = Table(
    "sandbox_variables",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # the order in which they were made
    Column("sandbox_config_id", Text, ForeignKey("tools.sandbox_configs.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),
    Column("value_enc", Text, nullable=False),  # encrypted
    Column("description", Text),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("sandbox_config_id", "key", name="sandbox_variables_key"),
)
