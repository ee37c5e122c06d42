"""Postgres: engines and migrations. One database, one schema per service."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.common.errors import PerdureError, Unavailable
from services.common.patience import keep_trying

SERVICES = ("agents", "runs", "tools")  # those with a schema
POOL_SIZE = 10  # connections per process
POOL_OVERFLOW = 10  # more of them in a burst
STATEMENT_TIMEOUT_MS = 60_000  # no statement of ours takes longer; a stuck one must not hold its locks for ever
PATIENCE_S = 60.0  # seconds that work under way waits for the database; a restart takes a few
PAUSE_S = 0.2  # seconds before it is tried again
_MIGRATION_LOCK = 7_310_422_901  # any number that is ours: one migration at a time

# How SQLSTATEs begin of broken connections, of a server that starts, stops or is full, and of statements that it
# stopped: in a deadlock, after too long, or as somebody said so.
# https://www.postgresql.org/docs/18/errcodes-appendix.html
_OUTAGES = ("08", "57P01", "57P02", "57P03", "53300", "40", "57014")

Transaction: TypeAlias = AsyncConnection  # what domain code passes on from store to store
P = ParamSpec("P")
Answer = TypeVar("Answer")


def open_engine(url: str, *, pool_size: int = POOL_SIZE) -> AsyncEngine:
    """An engine on `postgresql://…`; query parameters of the URL go to the driver."""
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=10,
        pool_use_lifo=True,
        hide_parameters=True,  # errors of statements are logged, and parameters hold secrets and what people say
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

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: commits at the end of the block, rolls back when it raises.

        Raises `DatabaseAway`; when it does at the commit, nobody knows whether it went through.
        """
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (DBAPIError, OSError, PoolTimeout) as exc:
            if not is_outage(exc):
                raise
            raise DatabaseAway from exc


def outliving_outages(method: Callable[P, Coroutine[Any, Any, Answer]]) -> Callable[P, Coroutine[Any, Any, Answer]]:
    """A method that may be repeated, again and again while the database is away, up to `PATIENCE_S`."""

    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> Answer:
        return await keep_trying(lambda: method(*args, **kwargs), _is_away, patience_s=PATIENCE_S, pause_s=PAUSE_S)

    return call


class DatabaseAway(Unavailable):
    """Postgres cannot be reached, has no connection to spare, or stopped a statement."""

    def __init__(self) -> None:
        super().__init__("The database cannot be reached just now. Try again.", retry_after_s=1)


def _is_away(error: PerdureError) -> bool:
    return isinstance(error, DatabaseAway)


def is_outage(exc: Exception) -> bool:
    """Whether the database is to blame, not the statement: the same may go through later."""
    if not isinstance(exc, DBAPIError):
        return True
    return exc.connection_invalidated or (getattr(exc.orig, "sqlstate", None) or "").startswith(_OUTAGES)


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
