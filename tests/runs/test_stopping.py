"""What becomes of runs when processes stop."""

import asyncio

from sqlalchemy import text

from perdure.conversation.v1.message_pb2 import ROLE_USER
from tests.runs.conftest import ORGANIZATION, TIMEOUT_S, Replica, World, declare_dead, eventually
from tests.runs.fake_services import says


async def test_a_stopping_process_hands_its_runs_over_without_a_jump(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 2)

    await first.process.drain(0.1)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)
    assert (run.status, run.losses, run.attempt) == ("completed", 0, 2)
    rest = await replica.watch(started.run.id, 2)
    assert [event.seq for event in rest] == [3, 4, 5]


async def test_a_process_stops_though_it_cannot_hand_its_runs_over(world: World) -> None:
    first = await world.replica()
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 2)

    async with first.engine.begin() as connection:
        await connection.execute(text("SELECT FROM runs.runs FOR UPDATE"))
        async with asyncio.timeout(TIMEOUT_S):
            await first.process.drain(0.1)
        await eventually(lambda: not first.runs.turns.run_ids)
    await first.die()

    second = await world.replica()
    await declare_dead(second)
    assert (await second.watch(started.run.id))[-1].ended.steps == 1


async def test_who_follows_a_run_at_a_process_that_stops_gets_the_rest(world: World, replica: Replica) -> None:
    first = await world.replica()
    early, late = asyncio.Event(), asyncio.Event()
    world.router.script = [says("early", gate=early), says("a", "b", "c", gate=late)]
    lasting = await first.runs.start(world.request())
    await first.hear(lasting.run.id, 1)
    draining = asyncio.create_task(first.process.drain(20))
    await asyncio.sleep(0)  # from here on it hands over what it is sent
    handed_over = await first.runs.start(world.request(conversation_id="conv-other"))
    watching = asyncio.create_task(first.watch(handed_over.run.id))
    await first.hear(handed_over.run.id, 2)  # as the other replica tells

    early.set()
    await draining
    late.set()

    events = await watching
    assert "".join(event.delta.text for event in events) == "abc"
    assert events[-1].ended.steps == 1
    assert (await replica.runs.get(ORGANIZATION, handed_over.run.id)).attempt == 2


async def test_a_stopping_process_waits_for_clients_whom_another_replica_tells_the_rest(
    world: World, replica: Replica
) -> None:
    first = await world.replica()
    again = asyncio.Event()
    world.router.script = [says("a", "b", gate=asyncio.Event()), says("c", "d", gate=again)]
    async with first.runs.send(world.request()) as started:
        await first.hear(started.run.id, 2)
        await first.process.drain(0.1)
        watching = asyncio.create_task(first.watch(started.run.id))
        seeing_off = asyncio.create_task(first.process.see_off(20))
        await replica.wait_for(started.run.id, lambda run: run.attempt == 2)
        await replica.hear(started.run.id, 4)
        assert not seeing_off.done()
        again.set()
        assert (await watching)[-1].ended.steps == 1
    await seeing_off


async def test_processes_that_stop_together_do_not_wait_for_each_other(world: World) -> None:
    one, other = await world.replica(), await world.replica()
    world.router.script = [says("a", gate=asyncio.Event())]
    async with one.runs.send(world.request()):
        await asyncio.gather(one.process.drain(0.1), other.process.drain(0.1))
        async with asyncio.timeout(TIMEOUT_S):
            await one.process.see_off(3600)


async def test_what_is_about_to_begin_as_the_process_stops_begins_elsewhere(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.agents.hold_begin.clear()
    starting = asyncio.create_task(first.runs.start(world.request()))
    await eventually(lambda: world.agents.begins != [])

    await first.process.drain(0)
    world.agents.hold_begin.set()

    started = await starting
    assert (await first.watch(started.run.id))[-1].ended.steps == 1
    assert len(world.agents.texts(world.conversation, ROLE_USER)) == 1
