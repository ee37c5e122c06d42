import os
import signal
from pathlib import Path

import asyncpg
import pytest

from services.cli.data_dir import open_data_dir
from services.cli.embedded.postgres import EmbeddedPostgres
from services.cli.process import Process, StartFailed, wait_until

START_TIMEOUT_S = 120.0


async def start(postgres: EmbeddedPostgres) -> Process:
    await postgres.prepare()
    process = Process(postgres.command(), print)
    await process.start()
    await wait_until(postgres.is_ready, [process], START_TIMEOUT_S)
    return process


async def test_data_outlives_a_killed_server(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as data_dir:
        postgres = EmbeddedPostgres(data_dir)
        process = await start(postgres)
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("CREATE EXTENSION vector")
        await connection.execute("CREATE TABLE kept AS SELECT '[1,2]'::vector AS point")

        os.kill(process.pid, signal.SIGKILL)
        connection.terminate()
        restarted = await start(postgres)

        connection = await asyncpg.connect(postgres.url)
        assert await connection.fetchval("SELECT point::text FROM kept") == "[1,2]"
        await connection.close()
        await restarted.stop()


async def test_data_of_another_version_is_refused(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as data_dir:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "PG_VERSION").write_text("14\n")

        with pytest.raises(StartFailed, match=r"holds no data of Postgres 18 \(version: 14\)"):
            await EmbeddedPostgres(data_dir).prepare()
