"""The Postgres schema of this service."""

from sqlalchemy import MetaData

metadata = MetaData(schema="runs")
