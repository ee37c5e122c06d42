"""What a turn's last step came to."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE agents.turns ADD COLUMN last_step BYTEA")
