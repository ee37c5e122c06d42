"""Which runs showed events while these could not be logged."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE runs.runs ADD COLUMN shown_unlogged BOOLEAN NOT NULL DEFAULT false")
