"""R7: Redis forgets everything, and is away for a while."""

import asyncio

from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.following import follow_grpc, follow_rest
from tests.chaos.runs import Job, answer_of, judge, start, until_ended
from tests.chaos.scale import in_full

RUNS = 8  # under way at each attack


async def test_r7_streams_outlive_what_redis_forgets(arena: Arena, figures: Figures) -> None:
    steps = [0, 2] * (RUNS // 2)  # half of them speak for longer than the attack takes
    jobs = await asyncio.gather(*(start(arena, calls=calls, words=200, in_tokens=True) for calls in steps))
    following = [asyncio.gather(follow_rest(arena, job), follow_grpc(arena, job)) for job in jobs]
    for _ in range(arena.scale.pick(full=10, short=3)):
        await asyncio.sleep(arena.random.uniform(0.1, 0.8))
        await arena.forget_redis()
    followed = await asyncio.gather(*following)
    await check(arena, figures, jobs)

    for job, both in zip(jobs, followed, strict=True):
        said = await answer_of(arena, job)
        later = await asyncio.gather(follow_rest(arena, job), follow_grpc(arena, job))
        assert [(joined.text, joined.gaps, joined.repeats) for joined in (*both, *later)] == [(said, [], [])] * 4


@in_full
async def test_r7_runs_and_live_streams_go_on_without_redis(arena: Arena, figures: Figures) -> None:
    before = await asyncio.gather(*(start(arena, words=100, in_tokens=True) for _ in range(RUNS)))
    async with arena.without("redis"):
        away = asyncio.create_task(asyncio.sleep(30))
        during = await asyncio.gather(*(start(arena, words=40, in_tokens=True) for _ in range(RUNS)))
        jobs = [*before, *during]
        followed = await asyncio.gather(*(follow_rest(arena, job) for job in jobs))  # ends while Redis is away
        await away
    await check(arena, figures, jobs)

    for job, live in zip(jobs, followed, strict=True):
        said = await answer_of(arena, job)
        later = await asyncio.gather(follow_rest(arena, job), follow_grpc(arena, job))
        assert [(joined.text, joined.gaps, joined.repeats) for joined in (live, *later)] == [(said, [], [])] * 3


async def check(arena: Arena, figures: Figures, jobs: list[Job]) -> None:
    """All have completed, and their histories are right."""
    await asyncio.gather(*(until_ended(arena, job) for job in jobs))
    verdict = await judge(arena, jobs)
    figures |= {"runs": len(jobs), **verdict.statuses}
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.statuses == {"completed": len(jobs)}
