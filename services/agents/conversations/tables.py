"""Conversations and the order of their messages."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, Table, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.agents.schema import metadata

# An agent's own history is the conversation whose id is the agent's. `model`, `model_settings` and `llm_config` (the
# model as resolved) are null where the agent's apply. `window_version` grows with each change of the context window;
# `context_tokens` are the tokens of the window at the last step, as the provider counted them.
conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("agent_id", Text, ForeignKey("agents.agents.id", ondelete="CASCADE"), nullable=False),
    Column("created_by_id", Text),
    Column("last_updated_by_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("summary", Text),
    Column("model", Text),
    Column("model_settings", JSONB(none_as_null=True)),
    Column("llm_config", JSONB(none_as_null=True)),
    Column("isolated_block_ids", ARRAY(Text), nullable=False),
    Column("last_message_at", DateTime(timezone=True)),
    Column("next_position", Integer, nullable=False),
    Column("window_version", BigInteger, nullable=False),
    Column("context_tokens", BigInteger),
    Column("on_busy", Text),
    Index("conversations_by_creation", "organization_id", "created_at", "id"),
    Index("conversations_of_agent", "agent_id", "created_at", "id"),
)

# A message at its place in a conversation. `window_rank` is its place in the context window; null: not in it. A summary
# has the rank of the last message that it replaces. `clipped_to`: the window shows this many characters of each tool
# return.
conversation_messages = Table(
    "conversation_messages",
    metadata,
    Column("conversation_id", Text, ForeignKey("agents.conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("message_id", Text, ForeignKey("agents.messages.id", ondelete="CASCADE"), nullable=False),
    Column("window_rank", Integer),
    Column("clipped_to", Integer),
    Index(
        "conversation_messages_in_window",
        "conversation_id",
        "window_rank",
        postgresql_where=sql("window_rank IS NOT NULL"),
    ),
    Index("conversation_messages_by_message", "message_id"),
)
