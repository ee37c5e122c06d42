"""The Postgres schema of this service. Every subject declares its tables on this metadata."""

from sqlalchemy import MetaData

metadata = MetaData(schema="agents")
