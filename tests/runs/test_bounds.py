"""Bounds: beyond them a request is refused at once, and told when to come back."""

import asyncio

import pytest

from services.runs.limits import Limits, Overloaded
from services.runs.open_streams import TooManyStreams
from services.runs.records import ACTIVE_STATUSES, RunFilter
from tests.runs.conftest import ORGANIZATION, World, eventually
from tests.runs.fake_services import says


async def test_no_more_runs_wait_for_a_slot_than_may(world: World) -> None:
    replica = await world.replica(limits=Limits(slots=1, waiting_runs=2))
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    await replica.runs.start(world.request())
    for number in range(2):
        started = await replica.runs.start(world.request(conversation_id=f"conv-{number}"))
        await replica.wait_for(started.run.id, lambda run: run.owner is None)

    with pytest.raises(Overloaded) as refusal:
        await replica.runs.start(world.request(conversation_id="conv-2"))

    active = await replica.runs.list(ORGANIZATION, RunFilter(statuses=ACTIVE_STATUSES))
    assert len(active) == 3
    assert (refusal.value.http_status, refusal.value.retry_after_s) == (503, 2.0)


async def test_no_more_clients_wait_for_answers_than_may(world: World) -> None:
    replica = await world.replica(limits=Limits(open_streams=2))
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)] * 2

    async def send(number: int) -> None:
        async with replica.runs.send(world.request(conversation_id=f"conv-{number}")) as started:
            await replica.watch(started.run.id)

    sends = [asyncio.create_task(send(number)) for number in range(5)]
    await eventually(lambda: sum(task.done() for task in sends) == 3)
    gate.set()
    results = await asyncio.gather(*sends, return_exceptions=True)

    refused = [result for result in results if isinstance(result, TooManyStreams)]
    assert len(refused) == 3
    assert (refused[0].http_status, refused[0].retry_after_s) == (429, 2.0)
    assert len(await replica.runs.list(ORGANIZATION, RunFilter())) == 2
    await send(5)


async def test_who_follows_a_run_has_a_place_too_but_other_replicas_have_theirs_at_home(world: World) -> None:
    replica = await world.replica(limits=Limits(open_streams=1))
    world.router.script = [says("a", "b", gate=asyncio.Event())]

    async with replica.runs.send(world.request()) as started:
        passed_on = await anext(replica.runs.follow(ORGANIZATION, started.run.id, 0, owned=True))
        with pytest.raises(TooManyStreams):
            await anext(replica.runs.follow(ORGANIZATION, started.run.id, 0))

    assert passed_on[0].HasField("started")


@pytest.mark.parametrize("with_redis", [True, False])
async def test_a_run_that_told_more_than_is_kept_is_replayed_whole(world: World, *, with_redis: bool) -> None:
    longest = 1 if with_redis else 3  # Redis lets go of a hundred at once
    replica = await world.replica(limits=Limits(longest_log=longest), with_redis=with_redis)
    words = [f"word {number} " for number in range(500)]
    world.router.script = [says(*words)]
    started = await replica.runs.start(world.request())
    told = await replica.watch(started.run.id)
    await replica.wait_for(started.run.id, lambda run: replica.runs.turns.feed(ORGANIZATION, run.id) is None)

    replayed = await replica.watch(started.run.id)

    assert "".join(event.delta.text for event in told) == "".join(words)
    assert [part.text for event in replayed for part in event.message.parts] == ["".join(words)]
    assert replayed[-1].HasField("ended")
