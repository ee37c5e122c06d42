"""Blocks of memory, who has them, and what they held before."""

from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.agents.schema import metadata

# The columns have the names of the fields of `services.contract.blocks.Block`; `version` grows with each change.
blocks = Table(
    "blocks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("version", Integer, nullable=False),
    Column("label", Text),
    Column("value", Text, nullable=False),
    Column("limit", Integer, nullable=False),
    Column("description", Text),
    Column("read_only", Boolean, nullable=False),
    Column("metadata", JSONB(none_as_null=True)),
    Column("tags", ARRAY(Text), nullable=False),
    Column("hidden", Boolean),
    Column("project_id", Text),
    Column("template_name", Text),
    Column("is_template", Boolean, nullable=False),
    Column("template_id", Text),
    Column("base_template_id", Text),
    Column("deployment_id", Text),
    Column("entity_id", Text),
    Column("preserve_on_migration", Boolean),
    Index("blocks_by_creation", "organization_id", "created_at", "id"),
    Index("blocks_by_label", "organization_id", "label"),
)

agent_blocks = Table(
    "agent_blocks",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), primary_key=True),
    Column("block_id", Text, ForeignKey("agents.blocks.id", ondelete="CASCADE"), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Index("agent_blocks_by_label", "agent_id", "label", unique=True),
    Index("agent_blocks_by_block", "block_id"),
)

# One row for each change of a block: what it held at `version`, until `replaced_at`, and the user or agent
# whose change ended that.
block_history = Table(
    "block_history",
    metadata,
    Column("block_id", Text, ForeignKey("agents.blocks.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("label", Text),
    Column("value", Text, nullable=False),
    Column("limit", Integer, nullable=False),
    Column("description", Text),
    Column("metadata", JSONB(none_as_null=True)),
    Column("replaced_at", DateTime(timezone=True), nullable=False),
    Column("replaced_by_id", Text, nullable=False),
)
