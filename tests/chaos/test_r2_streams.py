"""R2: services are killed while clients follow runs and come back for what they missed."""

import asyncio

from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.following import Joined, follow_grpc, follow_rest, follow_sdk
from tests.chaos.runs import END_S, Job, answer_of, attack_until, message_ids, start, until_ended
from tests.chaos.scale import in_full

FOLLOWED = 20  # runs at once
OWNERS = ("runs", "runs-2")  # hit more often than the rest


@in_full
async def test_r2_events_have_no_gap_and_no_repeat(arena: Arena, figures: Figures) -> None:
    free = asyncio.Semaphore(FOLLOWED)

    async def carry_out() -> tuple[Job, Joined, Joined, Joined]:
        async with free, asyncio.timeout(END_S):
            job = await start(arena, words=400, in_tokens=True)
            joined = await asyncio.gather(follow_rest(arena, job), follow_grpc(arena, job), follow_sdk(arena, job))
            await until_ended(arena, job)
            assert job.status == "completed", job.run_id
            return job, *joined

    load = asyncio.gather(*(carry_out() for _ in range(200)))
    figures["kills"] = await attack_until(load, arena, [*arena.service_processes, *OWNERS], every_s=(1.5, 4.0))
    followed = await load
    await arena.until_whole()

    told = [joined for _, rest, typed, _ in followed for joined in (rest, typed)]
    figures |= {"runs": len(followed), "followed twice": len(told), "reconnects": sum(one.reconnects for one in told)}
    figures |= {"gaps": sum(len(one.gaps) for one in told), "repeats": sum(len(one.repeats) for one in told)}
    figures["steps discarded"] = sum(rest.discarded for _, rest, *_ in followed)
    for job, *joined in followed:
        said = await answer_of(arena, job)
        assert [one.gaps + one.repeats for one in joined] == [[], [], []], job.run_id
        assert [one.text for one in joined[:2]] == [said, said], job.run_id
        stored_ids = await message_ids(arena, job)
        assert [one.mistaken(stored_ids) for one in joined] == [set(), set(), set()], job.run_id
