"""When approval requests expire, and which agents call a tool without the approval that it wants by default."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE agents.approvals ADD COLUMN expires_at timestamptz")
    op.execute("CREATE INDEX approvals_expiring ON agents.approvals (expires_at) WHERE state = 'pending'")
    op.execute("ALTER TABLE agents.agent_tools ADD COLUMN approval_waived boolean NOT NULL DEFAULT false")
