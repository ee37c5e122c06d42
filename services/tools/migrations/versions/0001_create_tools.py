"""Create tools and their outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "tools",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("tool_type", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("source_type", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("source_code", sa.Text),
        sa.Column("json_schema", sa.JSON),
        sa.Column("args_json_schema", sa.JSON),
        sa.Column("return_char_limit", sa.Integer, nullable=False),
        sa.Column("pip_requirements", sa.JSON),
        sa.Column("npm_requirements", sa.JSON),
        sa.Column("default_requires_approval", sa.Boolean),
        sa.Column("enable_parallel_execution", sa.Boolean),
        sa.Column("created_by_id", sa.Text),
        sa.Column("last_updated_by_id", sa.Text),
        sa.Column("metadata_", sa.JSON),
        sa.Column("project_id", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("organization_id", "name", name="tools_name"),
        schema="tools",
    )
    op.create_index("tools_position", "tools", ["organization_id", "position"], schema="tools")
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("tool_id", sa.Text, nullable=False),
        schema="tools",
    )
    op.create_index("outbox_organization", "outbox", ["organization_id"], schema="tools")
