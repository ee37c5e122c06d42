"""Archives and their passages."""

from alembic import op

revision = "0003"
down_revision = "0002"

ARCHIVES = """
CREATE TABLE agents.archives (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    created_by_id text,
    last_updated_by_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    name text NOT NULL,
    description text,
    embedding_config jsonb,
    metadata jsonb,
    made_for text REFERENCES agents.agents (id) ON DELETE SET NULL
)
"""

ARCHIVE_AGENTS = """
CREATE TABLE agents.archive_agents (
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    archive_id text NOT NULL REFERENCES agents.archives (id) ON DELETE CASCADE,
    organization_id text NOT NULL,
    attached_at timestamptz NOT NULL,
    PRIMARY KEY (agent_id, archive_id)
)
"""

PASSAGES = """
CREATE TABLE agents.passages (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    archive_id text NOT NULL REFERENCES agents.archives (id) ON DELETE CASCADE,
    created_by_id text,
    last_updated_by_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    text text NOT NULL,
    embedding public.vector,
    tags text[],
    metadata jsonb NOT NULL
)
"""

INDEXES = (
    "CREATE INDEX archives_by_creation ON agents.archives (organization_id, created_at, id)",
    "CREATE UNIQUE INDEX archives_made_for ON agents.archives (made_for)",
    "CREATE INDEX archive_agents_by_archive ON agents.archive_agents (archive_id)",
    "CREATE INDEX passages_of_archive ON agents.passages (archive_id, created_at, id)",
    "CREATE INDEX passages_by_words ON agents.passages USING gin (to_tsvector('simple'::regconfig, text))",
)


def upgrade() -> None:
    for table in (ARCHIVES, ARCHIVE_AGENTS, PASSAGES):
        op.execute(table)
    for index in INDEXES:
        op.execute(index)
