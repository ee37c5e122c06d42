"""Plain operations, and what the processes take."""

import time
from collections.abc import Awaitable, Callable, Mapping

import psutil

from bench.client import call, create_agent, session
from bench.figures import Row, ms, percentile

REPEATS = 50
MESSAGES = 200


async def measure_operations(server: str) -> list[Row]:
    """Creating and retrieving an agent, listing 200 messages."""
    async with session(server) as http:
        agent = await create_agent(http)
        said = [{"role": "user", "content": f"Message {number}"} for number in range(MESSAGES)]
        await call(http, "POST", f"/v1/agents/{agent}/messages", {"messages": said})

        async def create() -> None:
            await create_agent(http)

        async def retrieve() -> None:
            await call(http, "GET", f"/v1/agents/{agent}")

        async def list_messages() -> None:
            listed = await call(http, "GET", f"/v1/agents/{agent}/messages?limit={MESSAGES}")
            assert len(listed) == MESSAGES, f"{len(listed)} messages"

        return [
            await _row("create an agent, p50", create),
            await _row("retrieve an agent, p50", retrieve),
            await _row(f"list {MESSAGES} messages, p50", list_messages),
        ]


async def _row(name: str, operation: Callable[[], Awaitable[None]]) -> Row:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        await operation()
        times.append(time.perf_counter() - began)
    return Row(name, ms(percentile(times, 50)))


def measure_memory(pids: Mapping[str, int]) -> list[Row]:
    """Proportional memory of each process with its children: shared pages count in parts."""
    rows = []
    for name, pid in pids.items():
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        rows.append(Row(name, f"{sum(one.memory_full_info().pss for one in family) / 2**20:.0f} MiB"))
    return rows
