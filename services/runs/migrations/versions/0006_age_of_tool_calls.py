"""When tool calls were begun, so that old ones can be forgotten."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE runs.tool_calls ADD COLUMN opened_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()")
    op.execute("CREATE INDEX tool_calls_by_age ON runs.tool_calls (opened_at)")
