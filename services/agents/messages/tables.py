"""Messages: what was said, each stored once whatever conversations show it."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, LargeBinary, Table, Text, func
from sqlalchemy import text as sql

from services.agents.schema import metadata

# `body` is a serialised perdure.conversation.v1.Message; the other columns repeat what queries look for.
# `sequence` is the order in which messages were stored, over all conversations; `conversation_id` where a message was
# made first. `text` is for searching.
messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sequence", BigInteger, Identity(always=True), nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("text", Text, nullable=False),
    Column("run_id", Text),
    Column("step_id", Text),
    Column("group_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("messages_of_organization", "organization_id", "sequence"),
    Index("messages_of_agent", "agent_id", "sequence"),
    Index("messages_of_run", "run_id", "sequence", postgresql_where=sql("run_id IS NOT NULL")),
    Index("messages_of_step", "step_id", "sequence", postgresql_where=sql("step_id IS NOT NULL")),
    Index("messages_by_words", func.to_tsvector(sql("'simple'::regconfig"), sql("text")), postgresql_using="gin"),
)
