"""Runs, steps, the ledger of tool calls, and the processes that own runs."""

from alembic import op

revision = "0001"
down_revision = None

REPLICAS = """
CREATE TABLE runs.replicas (
    owner TEXT NOT NULL,
    address TEXT NOT NULL,
    heartbeat_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (owner)
)
"""

RUNS = """
CREATE TABLE runs.runs (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    failure JSONB,
    request BYTEA NOT NULL,
    request_hash BYTEA NOT NULL,
    request_id TEXT,
    otid TEXT,
    background BOOLEAN NOT NULL,
    run_type TEXT NOT NULL,
    request_config JSONB NOT NULL,
    callback_url TEXT,
    callback_sent_at TIMESTAMP WITH TIME ZONE,
    callback_status_code INTEGER,
    callback_error TEXT,
    owner TEXT,
    attempt INTEGER NOT NULL,
    losses INTEGER DEFAULT '0' NOT NULL,
    claimed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    last_seq BIGINT,
    ttft_ns BIGINT,
    total_duration_ns BIGINT,
    steps INTEGER DEFAULT '0' NOT NULL,
    context_tokens BIGINT DEFAULT '0' NOT NULL,
    tools_used TEXT[] DEFAULT '{}' NOT NULL,
    prompt_tokens BIGINT DEFAULT '0' NOT NULL,
    completion_tokens BIGINT DEFAULT '0' NOT NULL,
    total_tokens BIGINT DEFAULT '0' NOT NULL,
    cached_input_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    PRIMARY KEY (id)
)
"""

STEPS = """
CREATE TABLE runs.steps (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    error_type TEXT,
    error_detail TEXT,
    model_handle TEXT NOT NULL,
    model TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    provider_category TEXT NOT NULL,
    model_endpoint TEXT NOT NULL,
    context_window BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    step_start_ns BIGINT,
    llm_request_start_ns BIGINT,
    llm_request_ns BIGINT,
    tool_execution_ns BIGINT,
    step_ns BIGINT,
    completion BYTEA,
    finish TEXT,
    tool_message_id TEXT,
    prompt_tokens BIGINT DEFAULT '0' NOT NULL,
    completion_tokens BIGINT DEFAULT '0' NOT NULL,
    total_tokens BIGINT DEFAULT '0' NOT NULL,
    cached_input_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    PRIMARY KEY (id)
)
"""

TOOL_CALLS = """
CREATE TABLE runs.tool_calls (
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    call BYTEA NOT NULL,
    result BYTEA,
    PRIMARY KEY (run_id, number, call_id)
)
"""

INDEXES = (
    "CREATE INDEX runs_active_by_owner ON runs.runs (owner) WHERE status IN ('created', 'running')",
    "CREATE UNIQUE INDEX runs_active_in_conversation ON runs.runs (organization_id, conversation_id)"
    " WHERE status IN ('created', 'running')",
    "CREATE INDEX runs_by_creation ON runs.runs (organization_id, created_at, id)",
    "CREATE UNIQUE INDEX runs_by_request_id ON runs.runs (organization_id, request_id) WHERE request_id IS NOT NULL",
    "CREATE INDEX runs_of_agent ON runs.runs (organization_id, agent_id, created_at, id)",
    "CREATE INDEX runs_of_conversation ON runs.runs (organization_id, conversation_id, created_at, id)",
    "CREATE INDEX steps_by_creation ON runs.steps (organization_id, created_at, id)",
    "CREATE INDEX steps_of_agent ON runs.steps (organization_id, agent_id, created_at, id)",
    "CREATE INDEX steps_of_run ON runs.steps (organization_id, run_id, number)",
)


def upgrade() -> None:
    for statement in (REPLICAS, RUNS, STEPS, TOOL_CALLS, *INDEXES):
        op.execute(statement)
