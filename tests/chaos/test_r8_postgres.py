"""R8: Postgres is restarted under load."""

import asyncio
from collections import Counter

import httpx

from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.runs import Job, judge, now, start, until_ended
from tests.chaos.scale import in_full

RUNS = 12  # begun around each restart


@in_full
async def test_r8_nothing_accepted_is_lost_with_postgres(arena: Arena, figures: Figures) -> None:
    pids = {name: arena.stack.processes[name].pid for name in arena.service_processes}
    jobs: list[Job] = []
    answers: Counter[int] = Counter()
    for _ in range(8):
        load = [asyncio.create_task(start_late(arena)) for _ in range(RUNS)]
        await asyncio.sleep(arena.random.uniform(0.5, 2.0))
        async with arena.without("postgres"):
            answers += await ask(arena, seconds=arena.random.uniform(0.2, 4.0))
        started = await asyncio.gather(*load)
        await asyncio.gather(*(until_ended(arena, job) for job in started))
        jobs += started
    verdict = await judge(arena, jobs)

    figures |= {"runs": len(jobs), **verdict.statuses, "answers without it": dict(answers)}
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.statuses == {"completed": len(jobs)}
    assert {name: arena.stack.processes[name].pid for name in pids} == pids
    assert set(answers) <= {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}
    assert answers[httpx.codes.SERVICE_UNAVAILABLE]


async def start_late(arena: Arena) -> Job:
    """A run that begins at some point of the next seconds."""
    await asyncio.sleep(arena.random.uniform(0, 4))
    return await start(arena)


async def ask(arena: Arena, seconds: float) -> Counter[int]:
    """The statuses that requests get for a while. A refused one must say when to come back."""
    statuses: Counter[int] = Counter()
    until = now() + seconds
    while now() < until:
        answer = await arena.http.get("/v1/agents/", params={"limit": 1})
        statuses[answer.status_code] += 1
        assert answer.is_success or "retry-after" in answer.headers, answer.text
        await asyncio.sleep(0.1)
    return statuses
