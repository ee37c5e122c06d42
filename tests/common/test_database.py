import asyncio
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.common.database import Database, DatabaseAway, open_engine


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    engine = open_engine(f"postgresql://perdure@/postgres?host={tmp_path}")

    with pytest.raises(DatabaseAway) as caught:
        async with Database(engine).begin():
            pass

    assert (caught.value.http_status, caught.value.retry_after_s) == (503, 1)
    await engine.dispose()


async def test_a_connection_that_breaks_is_unavailable_and_the_next_one_works(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    database = Database(engine)
    other = await asyncpg.connect(postgres_url)

    async def lose_the_connection() -> None:
        async with database.begin() as tx:
            pid = await tx.scalar(text("SELECT pg_backend_pid()"))
            await other.execute("SELECT pg_terminate_backend($1)", pid)
            await tx.execute(text("SELECT 1"))

    with pytest.raises(DatabaseAway):
        await lose_the_connection()

    async with database.begin() as tx:
        assert await tx.scalar(text("SELECT 1")) == 1
    await other.close()
    await engine.dispose()


async def test_a_statement_that_is_stopped_may_be_tried_again(postgres_url: str) -> None:
    engine = open_engine(postgres_url)

    with pytest.raises(DatabaseAway):
        async with Database(engine).begin() as tx:
            await tx.execute(text("DO $$ BEGIN RAISE query_canceled; END $$"))
    await engine.dispose()


async def test_a_wrong_statement_is_no_outage(postgres_url: str) -> None:
    engine = open_engine(postgres_url)

    with pytest.raises(DBAPIError):
        async with Database(engine).begin() as tx:
            await tx.execute(text("SELECT nonsense"))
    await engine.dispose()


async def test_the_error_of_a_statement_does_not_tell_its_parameters(postgres_url: str) -> None:
    engine = open_engine(postgres_url)

    with pytest.raises(DBAPIError) as caught:
        async with Database(engine).begin() as tx:
            await tx.execute(text("SELECT nonsense WHERE 'x' = :secret"), {"secret": "s3cret"})

    assert "s3cret" not in str(caught.value)
    await engine.dispose()


async def test_a_database_that_hangs_up_during_the_greeting_is_unavailable(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_unix_server(hang_up, tmp_path / ".s.PGSQL.5432")
    engine = open_engine(f"postgresql://perdure@/postgres?host={tmp_path}")

    with pytest.raises(DatabaseAway):
        async with Database(engine).begin():
            pass

    await engine.dispose()
    server.close()
