"""Runs, steps, the ledger of tool calls, the processes that own runs, traces and counters."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.runs.schema import metadata

ACTIVE = text("status IN ('created', 'running')")
HOLDING = text("status IN ('created', 'running') AND line_place IS NULL")  # of each conversation, one at most
IN_LINE = text("line_place IS NOT NULL")


def _usage_columns() -> list[Column[int]]:
    """The token counts of `perdure.conversation.v1.Usage`; NULL where the provider does not say."""
    return [
        Column("prompt_tokens", BigInteger, nullable=False, server_default="0"),
        Column("completion_tokens", BigInteger, nullable=False, server_default="0"),
        Column("total_tokens", BigInteger, nullable=False, server_default="0"),
        Column("cached_input_tokens", BigInteger),
        Column("cache_write_tokens", BigInteger),
        Column("reasoning_tokens", BigInteger),
    ]


# `request` is a serialised perdure.runs.v1.StartRunRequest. `owner` NULL: waiting in the queue. `losses` counts owners
# that died. `parent_run_id`: a tool call of that run started this one. `last_seq` is the number of the last event,
# where an owner has let the run go or ended it; `shown_unlogged`: events were shown while the log could not take them.
# `refused_at`: an equal request, which was no retry, was refused since the run ended.
# The callback is sent from `callback_due_at` on, once the run has ended; NULL: there is none, or nothing more will be
# tried.
runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("stop_reason", Text),
    Column("failure", JSONB(none_as_null=True)),
    Column("request", LargeBinary, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("request_id", Text),
    Column("parent_run_id", Text),
    Column("otid", Text),
    Column("background", Boolean, nullable=False),
    Column("run_type", Text, nullable=False),
    Column("request_config", JSONB, nullable=False),
    Column("callback_url", Text),
    Column("callback_sent_at", DateTime(timezone=True)),
    Column("callback_status_code", Integer),
    Column("callback_error", Text),
    Column("callback_due_at", DateTime(timezone=True)),
    Column("callback_attempts", Integer, nullable=False, server_default="0"),
    Column("on_busy", Text),
    Column("line_place", BigInteger),
    Column("line_due_at", DateTime(timezone=True)),
    Column("deadline_at", DateTime(timezone=True)),
    Column("owner", Text),
    Column("attempt", Integer, nullable=False),
    Column("losses", Integer, nullable=False, server_default="0"),
    Column("claimed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True)),
    Column("delivered_at", DateTime(timezone=True)),
    Column("refused_at", DateTime(timezone=True)),
    Column("last_seq", BigInteger),
    Column("shown_unlogged", Boolean, nullable=False, server_default="false"),
    Column("ttft_ns", BigInteger),
    Column("total_duration_ns", BigInteger),
    Column("steps", Integer, nullable=False, server_default="0"),
    Column("context_tokens", BigInteger, nullable=False, server_default="0"),
    Column("tools_used", ARRAY(Text), nullable=False, server_default="{}"),
    *_usage_columns(),
    Index("runs_holding_conversation", "organization_id", "conversation_id", unique=True, postgresql_where=HOLDING),
    Index("runs_in_line", "organization_id", "conversation_id", "line_place", postgresql_where=IN_LINE),
    Index(
        "runs_by_otid",
        "organization_id",
        "conversation_id",
        "otid",
        "created_at",
        postgresql_where=text("otid IS NOT NULL"),
    ),
    Index(
        "runs_by_request_id",
        "organization_id",
        "request_id",
        unique=True,
        postgresql_where=text("request_id IS NOT NULL"),
    ),
    Index("runs_by_creation", "organization_id", "created_at", "id"),
    Index("runs_of_agent", "organization_id", "agent_id", "created_at", "id"),
    Index("runs_of_conversation", "organization_id", "conversation_id", "created_at", "id"),
    Index("runs_of_parent", "organization_id", "parent_run_id", postgresql_where=text("parent_run_id IS NOT NULL")),
    # The sweep looks over all organisations.
    Index("runs_active_by_owner", "owner", postgresql_where=ACTIVE),
    Index("runs_by_callback", "callback_due_at", postgresql_where=text("callback_due_at IS NOT NULL")),
)

# `completion` is the assistant message as a serialised perdure.conversation.v1.Message: only of steps in the ledger.
steps = Table(
    "steps",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("stop_reason", Text),
    Column("error_type", Text),
    Column("error_detail", Text),
    Column("model_handle", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider_name", Text, nullable=False),
    Column("provider_category", Text, nullable=False),
    Column("model_endpoint", Text, nullable=False),
    Column("context_window", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("step_start_ns", BigInteger),
    Column("llm_request_start_ns", BigInteger),
    Column("llm_request_ns", BigInteger),
    Column("tool_execution_ns", BigInteger),
    Column("step_ns", BigInteger),
    Column("completion", LargeBinary),
    Column("finish", Text),
    Column("tool_message_id", Text),
    *_usage_columns(),
    Index("steps_of_run", "organization_id", "run_id", "number"),
    Index("steps_by_creation", "organization_id", "created_at", "id"),
    Index("steps_of_agent", "organization_id", "agent_id", "created_at", "id"),
)

# A row is there before its call is made. `result` NULL: it was started and nobody knows what came of it. Rows stay
# as long as traces do.
tool_calls = Table(
    "tool_calls",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("call_id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("call", LargeBinary, nullable=False),
    Column("result", LargeBinary),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("tool_calls_by_age", "opened_at"),
)

# One row per process. It belongs to no organisation.
replicas = Table(
    "replicas",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("heartbeat_at", DateTime(timezone=True), nullable=False),
    Column("takes_runs", Boolean, nullable=False, server_default="true"),
)

# What happened to runs, for as long as traces are kept. `detail` is JSON, by the kind of event.
trace_events = Table(
    "trace_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("began_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=False),
    Column("step_id", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Index("trace_events_of_run", "organization_id", "run_id", "ended_at"),
    Index("trace_events_by_age", "began_at"),
)

# Figures of all processes together, for Prometheus. `labels` is a JSON list of pairs. They belong to no organisation.
counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", Text, primary_key=True),
    Column("value", Double, nullable=False),
)
