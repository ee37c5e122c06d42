"""R1: a random service process is killed every few seconds."""

import asyncio

from tests.chaos.arena import Arena, timed
from tests.chaos.conftest import Figures
from tests.chaos.runs import Job, attack_until, judge, start, until_ended
from tests.chaos.scale import CONCURRENCY

OWNERS = ("runs", "runs-2")  # hit more often than the rest


async def test_r1_every_accepted_message_is_answered_once(arena: Arena, figures: Figures) -> None:
    free = asyncio.Semaphore(arena.scale.pick(full=CONCURRENCY, short=6))
    every_s = (2.0, 5.0) if arena.scale.is_full else (0.5, 1.5)
    jobs: list[Job] = []

    async def carry_out() -> None:
        async with free:
            job = await start(arena, ttft_ms=arena.scale.pick(full=3000, short=150))
            jobs.append(job)
            await until_ended(arena, job)

    with timed(figures, "seconds"):
        load = asyncio.gather(*(carry_out() for _ in range(arena.scale.pick(full=500, short=24))))
        figures["kills"] = await attack_until(load, arena, [*arena.service_processes, *OWNERS], every_s)
        await load
    await arena.until_whole()
    verdict = await judge(arena, jobs)

    figures |= {"runs": len(jobs), **verdict.statuses}
    figures |= {"lost": len(verdict.lost), "doubled": len(verdict.doubled), "miscounted": len(verdict.miscounted)}
    assert figures["kills"]
    assert (verdict.lost, verdict.doubled, verdict.wrong, verdict.miscounted) == ([], [], [], [])
    assert verdict.statuses == {"completed": len(jobs)}
