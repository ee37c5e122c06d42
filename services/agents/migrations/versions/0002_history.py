"""Conversations, messages, turns and approvals."""

from alembic import op

revision = "0002"
down_revision = "0001"

CONVERSATIONS = """
CREATE TABLE agents.conversations (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    created_by_id text,
    last_updated_by_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    summary text,
    model text,
    model_settings jsonb,
    llm_config jsonb,
    isolated_block_ids text[] NOT NULL,
    last_message_at timestamptz,
    next_position integer NOT NULL,
    window_version bigint NOT NULL,
    context_tokens bigint
)
"""

MESSAGES = """
CREATE TABLE agents.messages (
    id text PRIMARY KEY,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    organization_id text NOT NULL,
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    conversation_id text NOT NULL,
    role text NOT NULL,
    body bytea NOT NULL,
    text text NOT NULL,
    run_id text,
    step_id text,
    group_id text,
    created_at timestamptz NOT NULL
)
"""

CONVERSATION_MESSAGES = """
CREATE TABLE agents.conversation_messages (
    conversation_id text NOT NULL REFERENCES agents.conversations (id) ON DELETE CASCADE,
    position integer NOT NULL,
    organization_id text NOT NULL,
    message_id text NOT NULL REFERENCES agents.messages (id) ON DELETE CASCADE,
    window_rank integer,
    clipped_to integer,
    PRIMARY KEY (conversation_id, position)
)
"""

TURNS = """
CREATE TABLE agents.turns (
    run_id text PRIMARY KEY,
    organization_id text NOT NULL,
    agent_id text,
    conversation_id text NOT NULL,
    attempt integer NOT NULL,
    state text NOT NULL,
    stop_reason text,
    error text NOT NULL,
    next_step integer NOT NULL,
    next_step_id text NOT NULL,
    steps integer NOT NULL,
    input_ids text[] NOT NULL,
    request_id text,
    returns_position integer,
    begun_at timestamptz,
    ended_at timestamptz
)
"""

APPROVALS = """
CREATE TABLE agents.approvals (
    message_id text NOT NULL REFERENCES agents.messages (id) ON DELETE CASCADE,
    call_id text NOT NULL,
    organization_id text NOT NULL,
    agent_id text NOT NULL,
    conversation_id text NOT NULL REFERENCES agents.conversations (id) ON DELETE CASCADE,
    run_id text NOT NULL,
    step_id text NOT NULL,
    ordinal integer NOT NULL,
    state text NOT NULL,
    answered_by_run text,
    PRIMARY KEY (message_id, call_id)
)
"""

INDEXES = (
    "CREATE INDEX conversations_by_creation ON agents.conversations (organization_id, created_at, id)",
    "CREATE INDEX conversations_of_agent ON agents.conversations (agent_id, created_at, id)",
    "CREATE INDEX messages_of_organization ON agents.messages (organization_id, sequence)",
    "CREATE INDEX messages_of_agent ON agents.messages (agent_id, sequence)",
    "CREATE INDEX messages_of_run ON agents.messages (run_id, sequence) WHERE run_id IS NOT NULL",
    "CREATE INDEX messages_of_step ON agents.messages (step_id, sequence) WHERE step_id IS NOT NULL",
    "CREATE INDEX messages_by_words ON agents.messages USING gin (to_tsvector('simple'::regconfig, text))",
    "CREATE INDEX conversation_messages_in_window ON agents.conversation_messages (conversation_id, window_rank)"
    " WHERE window_rank IS NOT NULL",
    "CREATE INDEX conversation_messages_by_message ON agents.conversation_messages (message_id)",
    "CREATE UNIQUE INDEX turns_active ON agents.turns (conversation_id) WHERE state = 'active'",
    "CREATE INDEX turns_of_conversation ON agents.turns (conversation_id, ended_at)",
    "CREATE INDEX turns_of_agent ON agents.turns (agent_id) WHERE state = 'active'",
    "CREATE INDEX approvals_pending ON agents.approvals (conversation_id) WHERE state = 'pending'",
    "CREATE INDEX approvals_by_call ON agents.approvals (conversation_id, call_id)",
)


def upgrade() -> None:
    for table in (CONVERSATIONS, MESSAGES, CONVERSATION_MESSAGES, TURNS, APPROVALS):
        op.execute(table)
    for index in INDEXES:
        op.execute(index)
