"""Create authorizations by MCP servers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "mcp_oauth_sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("server_digest", sa.Text, nullable=False),
        sa.Column("state_digest", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("grant", sa.Text, nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("state_digest", name="mcp_oauth_sessions_state"),
        schema="tools",
    )
    op.create_index(
        "mcp_oauth_sessions_server", "mcp_oauth_sessions", ["organization_id", "server_digest"], schema="tools"
    )
