"""A message that is refused, sent again by its client, and equal to one that was answered before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from perdure.conversation.v1.message_pb2 import ROLE_USER
from services.runs.limits import Limits
from services.runs.open_streams import TooManyStreams
from tests.runs.conftest import ORGANIZATION, TIMEOUT_S, Replica, World
from tests.runs.fake_services import says, user


@pytest.fixture
async def narrow(world: World) -> Replica:
    """A replica that has room for one client."""
    return await world.replica(limits=Limits(open_streams=1))


@asynccontextmanager
async def full(world: World, replica: Replica) -> AsyncIterator[None]:
    """As long as the replica has no room."""
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)]
    async with replica.runs.send(world.request(conversation_id="conv-other")):
        yield
        gate.set()


async def refuse(world: World, replica: Replica, **fields: Any) -> None:
    """A message that comes while there is no room, until that is noted."""
    async with full(world, replica):
        await knock(world, replica, **fields)
    await replica.process.refusals.write()


async def knock(world: World, replica: Replica, **fields: Any) -> None:
    with pytest.raises(TooManyStreams):
        async with replica.runs.send(world.request(**fields)):
            pass


async def answer(world: World, replica: Replica, **fields: Any) -> str:
    """A message whose answer is sent to its end."""
    started = await replica.runs.start(world.request(**fields))
    await replica.watch(started.run.id)
    await deliver(replica, started.run.id)
    return str(started.run.id)


async def deliver(replica: Replica, run_id: str) -> None:
    await replica.runs.mark_delivered(ORGANIZATION, run_id)
    await replica.wait_for(run_id, lambda run: run.delivered)


async def test_the_retry_of_a_refused_message_is_a_message(world: World, narrow: Replica) -> None:
    await answer(world, narrow)
    await refuse(world, narrow)

    retried = await narrow.runs.start(world.request(retry_count=1))

    await narrow.watch(retried.run.id)
    assert retried.attached is False
    assert len(world.agents.texts(world.conversation, ROLE_USER)) == 2


async def test_when_its_answer_is_lost_too_the_next_retry_gets_it(world: World, narrow: Replica) -> None:
    await answer(world, narrow)
    await refuse(world, narrow)
    second = await answer(world, narrow, retry_count=1)

    again = await narrow.runs.start(world.request(retry_count=2))

    assert (again.run.id, again.attached) == (second, True)


async def test_a_refused_retry_is_still_of_the_lost_answer(world: World, narrow: Replica) -> None:
    first = await answer(world, narrow)
    await refuse(world, narrow, retry_count=1)

    again = await narrow.runs.start(world.request(retry_count=2))

    assert (again.run.id, again.attached) == (first, True)


async def test_the_refusal_of_another_text_says_nothing(world: World, narrow: Replica) -> None:
    first = await answer(world, narrow)
    await refuse(world, narrow, text="something else")

    again = await narrow.runs.start(world.request(retry_count=1))

    assert (again.run.id, again.attached) == (first, True)


async def test_equal_texts_with_ids_of_their_own_are_never_taken_for_each_other(world: World, narrow: Replica) -> None:
    await answer(world, narrow, input=(user("yes", otid="one"),))

    second = await narrow.runs.start(world.request(input=(user("yes", otid="two"),), retry_count=1))

    assert second.attached is False


async def test_an_answer_that_was_not_sent_is_lost_whatever_was_refused(world: World, narrow: Replica) -> None:
    first = await narrow.runs.start(world.request())
    await narrow.watch(first.run.id)
    await refuse(world, narrow)

    again = await narrow.runs.start(world.request(retry_count=1))

    assert (again.run.id, again.attached) == (first.run.id, True)


async def test_what_was_refused_while_the_run_went_on_says_nothing_about_its_answer(
    world: World, narrow: Replica
) -> None:
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)]
    first = await narrow.runs.start(world.request())
    await narrow.hear(first.run.id, 2)
    await refuse(world, narrow)
    gate.set()
    await narrow.watch(first.run.id)
    await deliver(narrow, first.run.id)

    again = await narrow.runs.start(world.request(retry_count=1))

    assert (again.run.id, again.attached) == (first.run.id, True)


async def test_refusals_wait_for_no_database(world: World, narrow: Replica) -> None:
    first = await answer(world, narrow)

    async with full(world, narrow), narrow.engine.begin() as connection:
        await connection.execute(text("SELECT id FROM runs.runs WHERE id = :id FOR UPDATE"), {"id": first})
        async with asyncio.timeout(TIMEOUT_S):
            for _ in range(100):
                await knock(world, narrow)

    await narrow.process.refusals.write()
    retried = await narrow.runs.start(world.request(retry_count=1))
    assert retried.attached is False
