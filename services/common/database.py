"""Postgres: engines and migrations. One database, one schema per service."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

SERVICES = ("agents", "runs", "tools")  # those with a schema
POOL_SIZE = 10  # connections per process
POOL_OVERFLOW = 10  # more of them in a burst
STATEMENT_TIMEOUT_MS = 60_000  # no statement of ours takes longer; a stuck one must not hold its locks for ever
_MIGRATION_LOCK = 7_310_422_901  # any number that is ours: one migration at a time

Transaction: TypeAlias = AsyncConnection  # what domain code passes on from store to store


def open_engine(url: str, *, pool_size: int = POOL_SIZE) -> AsyncEngine:
    """An engine on `postgresql://…`; query parameters of the URL go to the driver."""
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=10,
        pool_use_lifo=True,
        connect_args={
            "server_settings": {
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                "jit": "off",
            }
        },
    )


class Database:
    """Where stores get their transactions. Domain code only passes the transaction on, from one store to the next."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction: commits at the end of the block, rolls back when it raises."""
        return self._engine.begin()


async def migrate(url: str) -> None:
    """Brings the schema of every service to its newest version."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            for service in SERVICES:
                await connection.run_sync(_upgrade, service)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, service: str) -> None:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {service}"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / service / "migrations"))
    script = ScriptDirectory.from_config(config)

    def steps(revision: str, _: object) -> object:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(
            connection=connection,
            version_table="schema_version",
            version_table_schema=service,
        )
        environment.run_migrations()
