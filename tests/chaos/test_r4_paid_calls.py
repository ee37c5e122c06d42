"""R4: owners are killed between the steps of their runs, and in the middle of them."""

import asyncio
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.marks import SAFE, open_marks
from tests.chaos.runs import Job, Mark, judge, start, until_ended
from tests.chaos.scale import in_full

OWNERS = ("runs", "runs-2")
RUNS = 8  # under way at each kill


@in_full
async def test_r4_a_finished_model_call_is_never_paid_for_again(arena: Arena, figures: Figures, tmp_path: Path) -> None:
    extra = 0
    async with open_marks(arena, tmp_path, tags=[SAFE]) as marks:
        mark = Mark(marks.tool_id, seconds=1.5)
        for _ in range(10):
            jobs = await asyncio.gather(*(start(arena, calls=1, mark=mark) for _ in range(RUNS)))
            await marks.until_made([job.word for job in jobs])  # no model speaks: all wait for their tools
            arena.kill(arena.random.choice(OWNERS))
            await asyncio.gather(*(until_ended(arena, job) for job in jobs))
            extra += sum([await paid(arena, job) - 2 for job in jobs])
            verdict = await judge(arena, jobs)
            assert (verdict.statuses, verdict.wrong) == ({"completed": RUNS}, [])
            await arena.until_whole()

    figures |= {"model calls extra": extra}
    assert extra == 0


@in_full
async def test_r4_at_most_the_call_in_flight_is_repeated(arena: Arena, figures: Figures) -> None:
    calls = 3
    jobs: list[Job] = []
    for _ in range(10):
        started = await asyncio.gather(*(start(arena, calls=calls) for _ in range(RUNS)))
        await asyncio.sleep(arena.random.uniform(0, 1.5))  # somewhere in the run
        arena.kill(arena.random.choice(OWNERS))
        await asyncio.gather(*(until_ended(arena, job) for job in started))
        jobs += started
        await arena.until_whole()
    extra = [await paid(arena, job) - calls - 1 for job in jobs]

    figures |= {"runs": len(jobs), "model calls extra": sum(extra)}
    assert set(extra) <= {0, 1}


async def paid(arena: Arena, job: Job) -> int:
    """How many requests the model's vendor got for a run."""
    return len(await arena.vendors.received(job.word))
