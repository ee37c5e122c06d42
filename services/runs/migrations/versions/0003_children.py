"""Runs that a tool call of another run started."""

from alembic import op

revision = "0003"
down_revision = "0002"

COLUMN = "ALTER TABLE runs.runs ADD COLUMN parent_run_id TEXT"
INDEX = "CREATE INDEX runs_of_parent ON runs.runs (organization_id, parent_run_id) WHERE parent_run_id IS NOT NULL"


def upgrade() -> None:
    op.execute(COLUMN)
    op.execute(INDEX)
