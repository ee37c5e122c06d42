"""Folders, their files, and what agents have open of them."""

from alembic import op

revision = "0005"
down_revision = "0004"

FOLDERS = """
CREATE TABLE agents.folders (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    created_by_id text,
    last_updated_by_id text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    name text NOT NULL,
    description text,
    instructions text,
    embedding_config jsonb,
    metadata jsonb
)
"""

FOLDER_AGENTS = """
CREATE TABLE agents.folder_agents (
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    folder_id text NOT NULL REFERENCES agents.folders (id) ON DELETE CASCADE,
    organization_id text NOT NULL,
    attached_at timestamptz NOT NULL,
    PRIMARY KEY (agent_id, folder_id)
)
"""

FILES = """
CREATE TABLE agents.files (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    folder_id text NOT NULL REFERENCES agents.folders (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    file_name text NOT NULL,
    original_file_name text NOT NULL,
    file_type text,
    file_size bigint NOT NULL,
    processing_status text NOT NULL,
    error_message text,
    total_chunks integer,
    chunks_embedded integer,
    attempts integer NOT NULL,
    claim text,
    claimed_until timestamptz NOT NULL
)
"""

FILE_CONTENTS = """
CREATE TABLE agents.file_contents (
    file_id text PRIMARY KEY REFERENCES agents.files (id) ON DELETE CASCADE,
    organization_id text NOT NULL,
    raw bytea,
    text text
)
"""

FILE_PASSAGES = """
CREATE TABLE agents.file_passages (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    folder_id text NOT NULL REFERENCES agents.folders (id) ON DELETE CASCADE,
    file_id text NOT NULL REFERENCES agents.files (id) ON DELETE CASCADE,
    position integer NOT NULL,
    created_at timestamptz NOT NULL,
    text text NOT NULL,
    embedding public.vector
)
"""

FILE_AGENTS = """
CREATE TABLE agents.file_agents (
    id text PRIMARY KEY,
    organization_id text NOT NULL,
    agent_id text NOT NULL REFERENCES agents.agents (id) ON DELETE CASCADE,
    file_id text NOT NULL REFERENCES agents.files (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    is_open boolean NOT NULL,
    last_accessed_at timestamptz NOT NULL,
    start_line integer,
    end_line integer,
    visible_content text NOT NULL
)
"""

INDEXES = (
    "CREATE INDEX folders_by_creation ON agents.folders (organization_id, created_at, id)",
    "CREATE UNIQUE INDEX folders_by_name ON agents.folders (organization_id, name)",
    "CREATE INDEX folder_agents_by_folder ON agents.folder_agents (folder_id)",
    "CREATE INDEX files_of_folder ON agents.files (folder_id, created_at, id)",
    "CREATE UNIQUE INDEX files_by_name ON agents.files (folder_id, file_name)",
    "CREATE INDEX files_to_process ON agents.files (claimed_until) WHERE processing_status IN ('parsing', 'embedding')",
    "CREATE INDEX file_passages_of_folder ON agents.file_passages (folder_id, created_at, id)",
    "CREATE UNIQUE INDEX file_passages_of_file ON agents.file_passages (file_id, position)",
    "CREATE INDEX file_passages_by_words ON agents.file_passages USING gin (to_tsvector('simple'::regconfig, text))",
    "CREATE UNIQUE INDEX file_agents_by_agent ON agents.file_agents (agent_id, file_id)",
    "CREATE INDEX file_agents_by_file ON agents.file_agents (file_id)",
)


def upgrade() -> None:
    for table in (FOLDERS, FOLDER_AGENTS, FILES, FILE_CONTENTS, FILE_PASSAGES, FILE_AGENTS):
        op.execute(table)
    for index in INDEXES:
        op.execute(index)
