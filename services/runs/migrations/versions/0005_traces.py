"""Traces of runs, and what they add up to."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE runs.trace_events (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organization_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        owner TEXT NOT NULL,
        kind TEXT NOT NULL,
        began_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
        step_id TEXT NOT NULL,
        detail JSONB NOT NULL
    )
    """,
    "CREATE INDEX trace_events_of_run ON runs.trace_events (organization_id, run_id, ended_at)",
    "CREATE INDEX trace_events_by_age ON runs.trace_events (began_at)",
    """
    CREATE TABLE runs.counters (
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        value DOUBLE PRECISION NOT NULL,
        CONSTRAINT counters_pkey PRIMARY KEY (name, labels)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
