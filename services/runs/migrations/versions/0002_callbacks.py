"""When the callback of a run is due, and how often it was tried."""

from alembic import op

revision = "0002"
down_revision = "0001"

COLUMNS = """
ALTER TABLE runs.runs
    ADD COLUMN callback_due_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN callback_attempts INTEGER DEFAULT '0' NOT NULL
"""
INDEX = "CREATE INDEX runs_by_callback ON runs.runs (callback_due_at) WHERE callback_due_at IS NOT NULL"


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(INDEX)
