"""Let tools be given the network, and forget defaults of parallel execution that nobody chose."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# Custom tools ran in parallel whatever was stored. Agents carry definitions: the outbox has them told.
_TELL = """
    WITH changed AS (
        UPDATE tools.tools SET enable_parallel_execution = NULL, version = version + 1
        WHERE NOT enable_parallel_execution AND tool_type NOT LIKE 'letta\\_%'
        RETURNING organization_id, id)
    INSERT INTO tools.outbox (organization_id, tool_id) SELECT organization_id, id FROM changed
"""


def upgrade() -> None:
    column = sa.Column("network", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("tools", column, schema="tools")
    op.execute(sa.text(_TELL))
