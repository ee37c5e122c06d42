"""R6, of the other services: a frozen replica holds up what it was asked, and then the others are asked."""

import asyncio
import signal
import time

import pytest

from tests.chaos.arena import TIMEOUT_S, Arena
from tests.chaos.conftest import Figures
from tests.chaos.runs import Job, judge, start, until_ended
from tests.chaos.scale import in_full

RUNS = 8  # started while the replica is frozen


@in_full
@pytest.mark.parametrize("service", ["agents", "llm_router", "tools"])
async def test_r6_runs_get_past_a_frozen_replica(arena: Arena, figures: Figures, service: str) -> None:
    async def carry_out() -> tuple[Job, float]:
        began = time.monotonic()
        job = await start(arena, calls=1)
        await until_ended(arena, job)
        return job, time.monotonic() - began

    arena.send(service, signal.SIGSTOP)
    try:
        done = await asyncio.gather(*(carry_out() for _ in range(RUNS)))
    finally:
        arena.send(service, signal.SIGCONT)
    verdict = await judge(arena, [job for job, _ in done])

    figures |= {"runs": RUNS, **verdict.statuses, "slowest": round(max(seconds for _, seconds in done), 1)}
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.statuses == {"completed": RUNS}
    assert max(seconds for _, seconds in done) < TIMEOUT_S
