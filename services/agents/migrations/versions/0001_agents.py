"""Agents, their tools, variables and tags; blocks of memory."""

from alembic import op

revision = "0001"
down_revision = None

AGENTS = """
CREATE TABLE agents.agents (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    created_by_id text,
    last_updated_by_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    name text NOT NULL,
    agent_type text NOT NULL,
    description text,
    system text NOT NULL,
    model text NOT NULL,
    model_settings jsonb NOT NULL,
    llm_config jsonb NOT NULL,
    embedding text,
    embedding_config jsonb,
    tool_rules jsonb NOT NULL,
    compaction_settings jsonb NOT NULL,
    response_format jsonb,
    metadata jsonb,
    message_buffer_autoclear boolean NOT NULL,
    enable_sleeptime boolean,
    timezone text,
    max_files_open integer,
    per_file_view_window_char_limit integer,
    hidden boolean,
    project_id text,
    template_id text,
    base_template_id text,
    deployment_id text,
    entity_id text,
    last_run_completion timestamptz,
    last_run_duration_ms bigint,
    last_stop_reason text
)
"""

AGENT_TOOLS = """
CREATE TABLE agents.agent_tools (
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    tool_id text NOT NULL,
    organization_id text NOT NULL,
    position integer NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    definition bytea NOT NULL,
    PRIMARY KEY (agent_id, tool_id)
)
"""

AGENT_VARIABLES = """
CREATE TABLE agents.agent_variables (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    key text NOT NULL,
    value_enc text NOT NULL,
    description text
)
"""

AGENT_TAGS = """
CREATE TABLE agents.agent_tags (
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    tag text NOT NULL,
    organization_id text NOT NULL,
    PRIMARY KEY (agent_id, tag)
)
"""

BLOCKS = """
CREATE TABLE agents.blocks (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by_id text,
    last_updated_by_id text,
    version integer NOT NULL,
    label text,
    value text NOT NULL,
    "limit" integer NOT NULL,
    description text,
    read_only boolean NOT NULL,
    metadata jsonb,
    tags text[] NOT NULL,
    hidden boolean,
    project_id text,
    template_name text,
    is_template boolean NOT NULL,
    template_id text,
    base_template_id text,
    deployment_id text,
    entity_id text,
    preserve_on_migration boolean
)
"""

AGENT_BLOCKS = """
CREATE TABLE agents.agent_blocks (
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    block_id text NOT NULL REFERENCES agents.blocks (id) ON DELETE CASCADE,
    organization_id text NOT NULL,
    label text NOT NULL,
    position integer NOT NULL,
    PRIMARY KEY (agent_id, block_id)
)
"""

BLOCK_HISTORY = """
CREATE TABLE agents.block_history (
    block_id text NOT NULL REFERENCES agents.blocks (id) ON DELETE CASCADE,
    version integer NOT NULL,
    organization_id text NOT NULL,
    label text,
    value text NOT NULL,
    "limit" integer NOT NULL,
    description text,
    metadata jsonb,
    replaced_at timestamptz NOT NULL,
    replaced_by_id text NOT NULL,
    PRIMARY KEY (block_id, version)
)
"""

INDEXES = (
    "CREATE INDEX agents_by_creation ON agents.agents (organization_id, created_at, id)",
    "CREATE INDEX agents_by_name ON agents.agents (organization_id, name)",
    "CREATE INDEX agent_tools_by_tool ON agents.agent_tools (organization_id, tool_id)",
    "CREATE UNIQUE INDEX agent_variables_by_key ON agents.agent_variables (agent_id, key)",
    "CREATE INDEX agent_tags_by_tag ON agents.agent_tags (organization_id, tag)",
    "CREATE INDEX blocks_by_creation ON agents.blocks (organization_id, created_at, id)",
    "CREATE INDEX blocks_by_label ON agents.blocks (organization_id, label)",
    "CREATE UNIQUE INDEX agent_blocks_by_label ON agents.agent_blocks (agent_id, label)",
    "CREATE INDEX agent_blocks_by_block ON agents.agent_blocks (block_id)",
)


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    for table in (AGENTS, AGENT_TOOLS, AGENT_VARIABLES, AGENT_TAGS, BLOCKS, AGENT_BLOCKS, BLOCK_HISTORY):
        op.execute(table)
    for index in INDEXES:
        op.execute(index)
