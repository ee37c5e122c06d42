"""Runs that wait for their conversation, deadlines of runs, and a way to find runs by otid."""

from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = """
ALTER TABLE runs.runs
    ADD COLUMN on_busy TEXT,
    ADD COLUMN line_place BIGINT,
    ADD COLUMN line_due_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN deadline_at TIMESTAMP WITH TIME ZONE
"""
INDEXES = (
    "CREATE UNIQUE INDEX runs_holding_conversation ON runs.runs (organization_id, conversation_id)"
    " WHERE status IN ('created', 'running') AND line_place IS NULL",
    "DROP INDEX runs.runs_active_in_conversation",
    "CREATE INDEX runs_in_line ON runs.runs (organization_id, conversation_id, line_place)"
    " WHERE line_place IS NOT NULL",
    "CREATE INDEX runs_by_otid ON runs.runs (organization_id, conversation_id, otid, created_at)"
    " WHERE otid IS NOT NULL",
)


def upgrade() -> None:
    for statement in (COLUMNS, *INDEXES):
        op.execute(statement)
