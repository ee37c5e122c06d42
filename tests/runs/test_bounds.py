"""Bounds: beyond them a request is refused at once, and told when to come back."""

import asyncio
from typing import Any

import pytest

from perdure.conversation.v1.message_pb2 import ROLE_USER, Message
from services.common.errors import Unprocessable
from services.contract.sending import MAX_MESSAGES
from services.runs.limits import Limits, Overloaded
from services.runs.open_streams import TooManyStreams
from services.runs.records import ACTIVE_STATUSES, RunFilter
from services.runs.request_size import MAX_NAME_CHARS
from tests.runs.conftest import ORGANIZATION, Replica, World, eventually
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


@pytest.mark.parametrize(
    ("too_much", "where"),
    [
        ({"request_id": "k" * (MAX_NAME_CHARS + 1)}, ["header", "idempotency-key"]),
        ({"input": (Message(role=ROLE_USER, otid="o" * (MAX_NAME_CHARS + 1)),)}, ["body", "messages", "otid"]),
        ({"input": (Message(role=ROLE_USER),) * (MAX_MESSAGES + 1)}, ["body", "messages"]),
    ],
)
async def test_a_request_that_brings_too_much_is_told_of_what(
    world: World, replica: Replica, too_much: dict[str, Any], where: list[str]
) -> None:
    with pytest.raises(Unprocessable) as refusal:
        await replica.runs.start(world.request(**too_much))

    assert isinstance(refusal.value.detail, list)
    assert [problem["loc"] for problem in refusal.value.detail] == [where]
    assert not await replica.runs.list(ORGANIZATION, RunFilter())


async def test_the_longest_key_is_taken(world: World, replica: Replica) -> None:
    key = "\N{GRINNING FACE}" * MAX_NAME_CHARS

    started, again = [await replica.runs.start(world.request(request_id=key)) for _ in range(2)]

    assert (again.run.id, again.attached) == (started.run.id, True)


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
