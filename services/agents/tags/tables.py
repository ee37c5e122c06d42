"""Words to find agents by."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from services.agents.schema import metadata

agent_tags = Table(
    "agent_tags",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Index("agent_tags_by_tag", "organization_id", "tag"),
)
