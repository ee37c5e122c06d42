"""R3: the owner of runs is killed while the model speaks."""

import asyncio

import grpc

from perdure.runs.v1.run_service_pb2 import WatchRunRequest
from perdure.runs.v1.run_service_pb2_grpc import RunServiceStub
from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.following import ORGANIZATION
from tests.chaos.runs import PAUSE_S, Job, judge, now, percentiles, start, until_ended

P95_S = 5.0  # seconds until another replica goes on, on a machine that has time
P99_S = 10.0
RUNS = 8  # under way at each kill


async def test_r3_another_replica_goes_on_within_seconds(arena: Arena, figures: Figures) -> None:
    took: list[float] = []
    jobs: list[Job] = []
    for _ in range(arena.scale.pick(full=8, short=1)):
        round_of_jobs = await asyncio.gather(*(start(arena, calls=0, words=600, in_tokens=True) for _ in range(RUNS)))
        await asyncio.gather(*(arena.vendors.wait_until_speaking(job.word) for job in round_of_jobs))
        owners = await asyncio.gather(*(arena.owner_of(job.run_id) for job in round_of_jobs))
        victim = arena.random.choice(owners)
        arena.kill(victim)
        killed = now()
        hit = [job for job, owner in zip(round_of_jobs, owners, strict=True) if owner == victim]
        took += [at - killed for at in await asyncio.gather(*(first_delta_again(arena, job) for job in hit))]
        await asyncio.gather(*(until_ended(arena, job) for job in round_of_jobs))
        jobs += round_of_jobs
        await arena.until_whole()
    verdict = await judge(arena, jobs)

    times = percentiles(took)
    figures |= {"runs": len(jobs), "taken over": len(took), **times, **verdict.statuses}
    assert took
    if arena.scale.is_full:
        assert (times["p95"] <= P95_S, times["p99"] <= P99_S) == (True, True)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.statuses == {"completed": len(jobs)}


async def first_delta_again(arena: Arena, job: Job) -> float:
    """When the second attempt told of its first delta."""
    stub = RunServiceStub(arena.channel)
    asked = WatchRunRequest(organization_id=ORGANIZATION, run_id=job.run_id)
    while True:
        try:
            async for answer in stub.WatchRun(asked):
                if any(event.attempt > 1 and event.HasField("delta") for event in answer.events):
                    return now()
                assert not answer.events[-1].HasField("ended"), "the run had ended before its owner was killed"
        except grpc.aio.AioRpcError:
            await asyncio.sleep(PAUSE_S)
