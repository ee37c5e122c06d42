"""The real Postgres and Redis that tests share, and a fresh database for each module."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from services.cli.data_dir import DataDir, open_data_dir
from services.cli.embedded.postgres import EmbeddedPostgres
from services.cli.embedded.redis import EmbeddedRedis
from services.cli.process import Process, wait_until
from services.cli.stack import READY_TIMEOUT_S, Part
from services.common.database import migrate


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataDir]:
    with open_data_dir(open_to_postgres(tmp_path_factory.mktemp("data"))) as folder:
        yield folder


def open_to_postgres(folder: Path) -> Path:
    """Lets the user that Postgres runs as, when we are root, pass through pytest's folders."""
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(path.stat().st_mode | 0o111)
    return folder


@asynccontextmanager
async def running(part: Part) -> AsyncIterator[None]:
    """A part of the local stack for the time of a block."""
    process = Process(part.command(), print)
    await process.start()
    try:
        await wait_until(part.is_ready, [process], READY_TIMEOUT_S)
        yield
    finally:
        await process.stop()


@pytest.fixture(scope="session")
async def postgres_server(data_dir: DataDir) -> AsyncIterator[str]:
    """The address of a server with one migrated database, `postgres`, that others are copied from."""
    postgres = EmbeddedPostgres(data_dir)
    await postgres.prepare()
    async with running(postgres):
        await migrate(postgres.url)
        yield postgres.url


@pytest.fixture(scope="module")
async def postgres_url(postgres_server: str) -> str:
    """The address of a fresh, migrated database for this module."""
    name = f"test_{uuid.uuid4().hex}"
    server = await asyncpg.connect(postgres_server.replace("/postgres?", "/template1?"))
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE postgres")
    finally:
        await server.close()
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
async def redis_url(data_dir: DataDir) -> AsyncIterator[str]:
    """The address of a Redis of our own."""
    redis = EmbeddedRedis(data_dir)
    async with running(redis):
        yield redis.url
