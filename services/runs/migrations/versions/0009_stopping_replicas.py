"""Whether a process still takes runs, or is about to stop."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("ALTER TABLE runs.replicas ADD COLUMN takes_runs BOOLEAN NOT NULL DEFAULT true")
