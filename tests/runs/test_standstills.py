"""Stamps while the machine or its disk stands still: nobody is taken for dead for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.runs.records import Claimed
from services.runs.recovery import heartbeat
from services.runs.recovery.heartbeat import Pulse, ReplicaHeartbeat
from services.runs.store.replicas import PostgresReplicas
from tests.e2e import waiting
from tests.runs.conftest import TIMEOUT_S, Replica, eventually
from tests.runs.test_self_fence import SilentDatabase

SYNC_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


class RecordingDatabase(SilentDatabase):
    """Stamps at once, and keeps of each claim whether it took the runs of the dead, too."""

    def __init__(self) -> None:
        self.claims: list[bool] = []

    async def beat(
        self, mine: Collection[str], delivered: Collection[tuple[str, str]], *, takes_runs: bool = True
    ) -> Pulse:
        return Pulse([], [], {}, has_heirs=False)

    async def claim(self, mine: Collection[str], limit: int, *, lost: bool) -> list[Claimed]:
        self.claims.append(lost)
        return []


async def test_after_a_process_stood_still_nobody_counts_as_dead_for_a_while(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.05)
    database, beat = RecordingDatabase(), replica.runs.heartbeat
    fence = ReplicaHeartbeat(database, beat.turns, beat.bell, beat.callbacks, beat.interruptions, beat.neighbours)

    beating = asyncio.create_task(fence.run())
    await eventually(lambda: True in database.claims)
    database.claims.clear()
    time.sleep(heartbeat.FENCE_S)  # noqa: ASYNC251  # nothing else may happen meanwhile
    await eventually(lambda: bool(database.claims))
    after = database.claims[0]
    await eventually(lambda: True in database.claims)
    beating.cancel()

    assert after is False


@asynccontextmanager
async def slow_disk(database: asyncpg.Connection) -> AsyncIterator[None]:
    """Commits wait as for a disk that stands still: for a standby that never comes."""
    try:
        await database.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await database.execute("SELECT pg_reload_conf()")
        yield
    finally:
        await database.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await database.execute("SELECT pg_reload_conf()")


@pytest.fixture
async def connections(postgres_url: str) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    first, second = [await asyncpg.connect(postgres_url) for _ in range(2)]
    yield first, second
    await asyncio.gather(first.close(), second.close())


async def write_again_and_again(database: asyncpg.Connection) -> None:
    while True:
        await database.execute("CREATE TABLE written (); DROP TABLE written")


async def test_a_stamp_waits_for_no_disk(
    replica: Replica, connections: tuple[asyncpg.Connection, asyncpg.Connection]
) -> None:
    watching, writing = connections
    replicas = PostgresReplicas(replica.engine, "me", "unix:nowhere")

    async def is_slow() -> bool:
        return bool(await watching.fetchval(SYNC_WAITS))

    async with slow_disk(watching):
        written = asyncio.create_task(write_again_and_again(writing))
        await waiting.eventually(is_slow)  # Postgres reads its settings anew when it comes to it
        async with asyncio.timeout(TIMEOUT_S):
            await replicas.beat((), ())
            pulse = await replicas.beat((), ())  # tells of the one before
        was_slow = await is_slow()
    written.cancel()
    await asyncio.wait({written})
    await replicas.reset()

    assert was_slow
    assert "me" in pulse.alive
