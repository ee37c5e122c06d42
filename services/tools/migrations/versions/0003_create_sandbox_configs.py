"""Create the sandboxes of organisations, and variables of their tools."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "sandbox_configs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        *_author(),
        sa.UniqueConstraint("organization_id", "type", name="sandbox_configs_type"),
        schema="tools",
    )
    op.create_table(
        "sandbox_variables",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organization_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column(
            "sandbox_config_id",
            sa.Text,
            sa.ForeignKey("tools.sandbox_configs.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value_enc", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        *_author(),
        sa.UniqueConstraint("sandbox_config_id", "key", name="sandbox_variables_key"),
        schema="tools",
    )


def _author() -> list[sa.Column[Any]]:  # Any: their values
    return [
        sa.Column("created_by_id", sa.Text),
        sa.Column("last_updated_by_id", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    ]
