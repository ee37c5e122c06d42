"""Create MCP servers and what was registered from them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "mcp_servers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("organization_id", "name", name="mcp_servers_name"),
        schema="tools",
    )
    op.create_table(
        "mcp_tools",
        sa.Column("tool_id", sa.Text, sa.ForeignKey("tools.tools.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("server_id", sa.Text, sa.ForeignKey("tools.mcp_servers.id", ondelete="CASCADE"), nullable=False),
        sa.Column("remote_name", sa.Text, nullable=False),
        sa.UniqueConstraint("server_id", "remote_name", name="mcp_tools_remote_name"),
        schema="tools",
    )
