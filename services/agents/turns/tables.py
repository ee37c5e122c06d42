"""Turns: who may write to a conversation, and how each run's part in it ended; approvals that turns wait for."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Table, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from services.agents.schema import metadata

# One row per run, kept after its end as the tombstone that refuses late owners. `next_step` counts commits, `steps`
# the answers of the model among them. `request_id` is the approval request that the turn answers, until its returns
# are stored at `returns_position`. `last_step` is a serialised perdure.agents.v1.StepFigures, of the last commit with
# an answer of the model.
turns = Table(
    "turns",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("agent_id", Text),
    Column("conversation_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("stop_reason", Text),
    Column("error", Text, nullable=False),
    Column("next_step", Integer, nullable=False),
    Column("next_step_id", Text, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("input_ids", ARRAY(Text), nullable=False),
    Column("request_id", Text),
    Column("returns_position", Integer),
    Column("begun_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("last_step", LargeBinary),
    Index("turns_active", "conversation_id", unique=True, postgresql_where=sql("state = 'active'")),
    Index("turns_of_conversation", "conversation_id", "ended_at"),
    Index("turns_of_agent", "agent_id", postgresql_where=sql("state = 'active'")),
)

# One row per call that waits, or waited, for the client. `ordinal` is its place in the request; without `expires_at` it
# waits for ever.
approvals = Table(
    "approvals",
    metadata,
    Column("message_id", Text, ForeignKey("agents.messages.id", ondelete="CASCADE"), primary_key=True),
    Column("call_id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("conversation_id", Text, ForeignKey("agents.conversations.id", ondelete="CASCADE"), nullable=False),
    Column("run_id", Text, nullable=False),
    Column("step_id", Text, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("answered_by_run", Text),
    Column("expires_at", DateTime(timezone=True)),
    Index("approvals_pending", "conversation_id", postgresql_where=sql("state = 'pending'")),
    Index("approvals_by_call", "conversation_id", "call_id"),
    Index("approvals_expiring", "expires_at", postgresql_where=sql("state = 'pending'")),
)
