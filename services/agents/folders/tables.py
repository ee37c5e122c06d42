"""Folders, their files, and what agents have open of them."""

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Table, Text, func
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from services.agents.schema import metadata

# The columns have the names of the fields of `services.contract.folders.Folder`. Names are unique: agents know
# files as FOLDER/FILE.
folders = Table(
    "folders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("instructions", Text),
    Column("embedding_config", JSONB(none_as_null=True)),
    Column("metadata", JSONB(none_as_null=True)),
    Index("folders_by_creation", "organization_id", "created_at", "id"),
    Index("folders_by_name", "organization_id", "name", unique=True),
)

folder_agents = Table(
    "folder_agents",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), primary_key=True),
    Column("folder_id", Text, ForeignKey("agents.folders.id", ondelete="CASCADE"), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("attached_at", DateTime(timezone=True), nullable=False),
    Index("folder_agents_by_folder", "folder_id"),
)

# `claim` names the one who processes a file, until `claimed_until`; `attempts` counts the claims since something was
# stored.
files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("folder_id", Text, ForeignKey("agents.folders.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("original_file_name", Text, nullable=False),
    Column("file_type", Text),
    Column("file_size", BigInteger, nullable=False),
    Column("processing_status", Text, nullable=False),
    Column("error_message", Text),
    Column("total_chunks", Integer),
    Column("chunks_embedded", Integer),
    Column("attempts", Integer, nullable=False),
    Column("claim", Text),
    Column("claimed_until", DateTime(timezone=True), nullable=False),
    Index("files_of_folder", "folder_id", "created_at", "id"),
    Index("files_by_name", "folder_id", "file_name", unique=True),
    Index("files_to_process", "claimed_until", postgresql_where=sql("processing_status IN ('parsing', 'embedding')")),
)

# `raw` is what was uploaded, until `text` has been read from it.
file_contents = Table(
    "file_contents",
    metadata,
    Column("file_id", Text, ForeignKey("agents.files.id", ondelete="CASCADE"), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("raw", LargeBinary),
    Column("text", Text),
)

# The vectors of one folder have the dimensions of its embedding model; they are null until they are made.
file_passages = Table(
    "file_passages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("folder_id", Text, ForeignKey("agents.folders.id", ondelete="CASCADE"), nullable=False),
    Column("file_id", Text, ForeignKey("agents.files.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("text", Text, nullable=False),
    Column("embedding", VECTOR()),
    Index("file_passages_of_folder", "folder_id", "created_at", "id"),
    Index("file_passages_of_file", "file_id", "position", unique=True),
    Index("file_passages_by_words", func.to_tsvector(sql("'simple'::regconfig"), sql("text")), postgresql_using="gin"),
)

# What an agent sees of each readable file of its folders. Lines count from 1, both ends belong to the view; null: all.
file_agents = Table(
    "file_agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), nullable=False),
    Column("file_id", Text, ForeignKey("agents.files.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("last_accessed_at", DateTime(timezone=True), nullable=False),
    Column("start_line", Integer),
    Column("end_line", Integer),
    Column("visible_content", Text, nullable=False),
    Index("file_agents_by_agent", "agent_id", "file_id", unique=True),
    Index("file_agents_by_file", "file_id"),
)
