"""What a stack takes: memory, descriptors, connections, keys and rows, again and again."""

import asyncio
import time
from collections import defaultdict

import asyncpg
import psutil
from redis.asyncio import Redis

from services.cli.stack import Stack
from services.common.redis import connect

_TABLES = """
    SELECT schemaname || '.' || relname FROM pg_stat_user_tables
    WHERE schemaname IN ('agents', 'runs', 'tools', 'llm_router') ORDER BY 1
"""
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
# Grow with the work done, by intent: what ran, and what it cost, is kept.
RECORDS = frozenset({"runs.runs", "runs.steps"})


class Sampler:
    """Takes samples. `series` holds (seconds, value) by the name of the figure, whose last word is its unit."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.series: dict[str, list[tuple[float, float]]] = defaultdict(list)

    async def run(self, every_s: float, end: float) -> None:
        """Samples until `end`, on the monotonic clock."""
        database = await asyncpg.connect(self._stack.environment["DATABASE_URL"])
        redis = connect(self._stack.environment["REDIS_URL"]) if "REDIS_URL" in self._stack.environment else None
        try:
            while time.monotonic() < end:
                await self._sample(database, redis)
                await asyncio.sleep(every_s)
        finally:
            await database.close()
            if redis is not None:
                await redis.aclose()

    async def _sample(self, database: "asyncpg.Connection[asyncpg.Record]", redis: Redis | None) -> None:
        now = time.monotonic()
        found = await asyncio.to_thread(self._processes)
        found["postgres connections"] = await database.fetchval(_CONNECTIONS)
        for row in await database.fetch(_TABLES):
            table = row[0]
            if table not in RECORDS:
                found[f"{table} rows"] = await database.fetchval(f"SELECT count(*) FROM {table}")
        if redis is not None:
            found["redis keys"] = await redis.dbsize()
            found["redis used MiB"] = (await redis.info("memory"))["used_memory"] / 2**20
        for name, value in found.items():
            self.series[name].append((now, float(value)))

    def _processes(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, process in self._stack.processes.items():
            if name == "postgres":
                continue
            measured = psutil.Process(process.pid)
            found[f"{name} MiB"] = measured.memory_full_info().uss / 2**20
            found[f"{name} descriptors"] = measured.num_fds()
            found[f"{name} children"] = len(measured.children(recursive=True))
        return found
