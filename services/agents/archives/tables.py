"""Archives, the agents that have them, and their passages."""

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, DateTime, ForeignKey, Index, Table, Text, func
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.agents.schema import metadata

# The columns have the names of the fields of `services.contract.archives.Archive`. `made_for` is the agent whose first
# passage made the archive: it goes with that agent.
archives = Table(
    "archives",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("embedding_config", JSONB(none_as_null=True)),
    Column("metadata", JSONB(none_as_null=True)),
    Column("made_for", Text, ForeignKey("agents.agents.id", ondelete="SET NULL")),
    Index("archives_by_creation", "organization_id", "created_at", "id"),
    Index("archives_made_for", "made_for", unique=True),
)

archive_agents = Table(
    "archive_agents",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), primary_key=True),
    Column("archive_id", Text, ForeignKey("agents.archives.id", ondelete="CASCADE"), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("attached_at", DateTime(timezone=True), nullable=False),
    Index("archive_agents_by_archive", "archive_id"),
)

# The vectors of one archive have the dimensions of its embedding model.
passages = Table(
    "passages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("archive_id", Text, ForeignKey("agents.archives.id", ondelete="CASCADE"), nullable=False),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("text", Text, nullable=False),
    Column("embedding", VECTOR()),
    Column("tags", ARRAY(Text)),
    Column("metadata", JSONB, nullable=False),
    Index("passages_of_archive", "archive_id", "created_at", "id"),
    Index("passages_by_words", func.to_tsvector(sql("'simple'::regconfig"), sql("text")), postgresql_using="gin"),
)
