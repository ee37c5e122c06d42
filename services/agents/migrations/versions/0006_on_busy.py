"""What becomes of messages to a busy conversation."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE agents.conversations ADD COLUMN on_busy TEXT")
