"""R6: the owner of runs is frozen and comes back when others have its runs."""

import asyncio
import signal
from collections.abc import Sequence

from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.following import Joined, follow_grpc, follow_rest
from tests.chaos.runs import Job, answer_of, judge, message_ids, start, until_ended
from tests.chaos.scale import in_full
from tests.e2e.waiting import eventually

RUNS = 8  # under way when the owner freezes
WORDS = 200  # of an answer that takes longer than the others need to begin, and than it takes to notice
TOKEN_MS = 50


@in_full
async def test_r6_a_frozen_owner_writes_nothing_and_its_clients_are_told(arena: Arena, figures: Figures) -> None:
    jobs = await asyncio.gather(*(start(arena, calls=0, words=400, in_tokens=True) for _ in range(RUNS)))
    following = [asyncio.gather(follow_rest(arena, job), follow_grpc(arena, job)) for job in jobs]
    await asyncio.gather(*(arena.vendors.wait_until_speaking(job.word) for job in jobs))
    owners = await asyncio.gather(*(arena.owner_of(job.run_id) for job in jobs))
    victim = arena.random.choice(owners)

    arena.send(victim, signal.SIGSTOP)
    try:
        await asyncio.sleep(60)
    finally:
        arena.send(victim, signal.SIGCONT)
    followed = await asyncio.gather(*following)
    await asyncio.gather(*(until_ended(arena, job) for job in jobs))
    verdict = await judge(arena, jobs)

    hit = [both for both, owner in zip(followed, owners, strict=True) if owner == victim]
    figures |= {"runs": len(jobs), "of the frozen": len(hit), **verdict.statuses}
    figures["reconnects"] = sum(joined.reconnects for both in followed for joined in both)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.statuses == {"completed": RUNS}
    for job, both in zip(jobs, followed, strict=True):
        await check_what_is_known(arena, job, both)
    assert hit
    assert all(joined.discarded for both in hit for joined in both)


async def test_r6_an_owner_that_comes_back_amid_its_successor_s_work_writes_nothing(
    arena: Arena, figures: Figures
) -> None:
    jobs = await asyncio.gather(
        *(start(arena, calls=0, words=WORDS, token_ms=TOKEN_MS, in_tokens=True) for _ in range(RUNS))
    )
    following = [asyncio.gather(follow_rest(arena, job), follow_grpc(arena, job)) for job in jobs]
    await asyncio.gather(*(arena.vendors.wait_until_speaking(job.word) for job in jobs))
    owners = await asyncio.gather(*(arena.owner_of(job.run_id) for job in jobs))
    victim = arena.random.choice(owners)
    hit = [job for job, owner in zip(jobs, owners, strict=True) if owner == victim]

    arena.send(victim, signal.SIGSTOP)
    try:
        await asyncio.gather(*(until_doubly_answered(arena, job) for job in hit))
    finally:
        arena.send(victim, signal.SIGCONT)
    followed = await asyncio.gather(*following)
    await asyncio.gather(*(until_ended(arena, job) for job in jobs))
    verdict = await judge(arena, jobs)

    figures |= {"runs": len(jobs), "of the frozen": len(hit), **verdict.statuses}
    assert hit
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.statuses == {"completed": RUNS}
    for job, both in zip(jobs, followed, strict=True):
        await check_what_is_known(arena, job, both)


async def until_doubly_answered(arena: Arena, job: Job) -> None:
    """Until the model has said all to the first owner and speaks to the second."""

    async def is_doubly_answered() -> bool:
        sent = [one["tokens_sent"] for one in await arena.vendors.received(job.word)]
        return len(sent) > 1 and sent[0] >= WORDS and sent[1] > 0

    await eventually(is_doubly_answered)


async def check_what_is_known(arena: Arena, job: Job, both: Sequence[Joined]) -> None:
    """The clients of a run have what is stored of it, each event once."""
    said, stored_ids = await answer_of(arena, job), await message_ids(arena, job)
    assert [(joined.text, joined.gaps, joined.repeats) for joined in both] == [(said, [], [])] * len(both)
    assert [joined.mistaken(stored_ids) for joined in both] == [set()] * len(both)
