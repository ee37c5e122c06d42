"""The table of authorizations."""

from sqlalchemy import BigInteger, Column, DateTime, Index, Table, Text, UniqueConstraint, func

from services.tools.tables import metadata

# Addresses and states are kept as digests, all else that is secret in `grant`.
mcp_oauth_sessions = Table(
    "mcp_oauth_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("server_digest", Text, nullable=False),
    Column("state_digest", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("grant", Text, nullable=False),  # encrypted JSON
    Column("claimed_until", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),  # null once it is authorized
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("state_digest", name="mcp_oauth_sessions_state"),
    Index("mcp_oauth_sessions_server", "organization_id", "server_digest"),
)
