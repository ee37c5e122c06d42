"""When a message equal to a run's was refused."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE runs.runs ADD COLUMN refused_at TIMESTAMP WITH TIME ZONE")
