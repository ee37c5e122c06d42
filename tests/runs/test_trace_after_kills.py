"""What the trace tells of processes that were killed before they could write it."""

import asyncio

from sqlalchemy import text

from perdure.runs.v1 import rest_pb2 as queries
from services.common.caller import Caller
from services.contract.traces import TraceEvent
from services.runs.rest.observing import ObserveOperations
from tests.runs.conftest import ORGANIZATION, Replica, World, declare_dead, eventually
from tests.runs.fake_services import says
from tests.runs.test_trace import trace_of


async def read_trace(replica: Replica, run_id: str) -> list[TraceEvent]:
    """What the API answers."""
    operations = ObserveOperations(replica.runs, replica.process.traces)
    return await operations.get_run_trace(Caller(), queries.GetRunTraceQuery(run_id=run_id, limit=100), None)


async def kill(dying: Replica, living: Replica) -> None:
    """Ends a process that has written none of its notes yet: those that it wrote all the same go."""
    await dying.die()
    noted = "DELETE FROM runs.trace_events WHERE owner = :owner AND kind NOT IN ('takeover', 'release')"
    async with living.engine.begin() as connection:
        await connection.execute(text(noted), {"owner": dying.runs.owner})
    await declare_dead(living)


def named(events: list[TraceEvent], *kinds: str) -> list[tuple[str, int, str]]:
    return [(event.kind, event.attempt, event.owner) for event in events if event.kind in kinds]


async def test_every_owner_is_told_of_however_many_were_killed(world: World) -> None:
    world.router.script = [says("a", "b", gate=asyncio.Event()), says("c", "d", gate=asyncio.Event())]
    first = await world.replica()
    run_id = (await first.runs.start(world.request())).run.id
    await eventually(lambda: len(world.router.requests) == 1)
    second = await world.replica()
    await kill(first, second)
    await eventually(lambda: len(world.router.requests) == 2)
    third = await world.replica()
    await kill(second, third)
    await third.wait_for(run_id, lambda run: run.is_final)

    events = await read_trace(third, run_id)

    one, two, three = (replica.runs.owner for replica in (first, second, third))
    assert named(events, "attempt", "takeover", "end") == [
        ("attempt", 1, one),
        ("takeover", 2, two),
        ("attempt", 2, two),
        ("takeover", 3, three),
        ("attempt", 3, three),
        ("end", 3, three),
    ]
    assert [event.detail["taken_from"] for event in events if event.kind == "takeover"] == [one, two]


async def test_the_end_is_told_though_its_process_was_killed_before_it_could_write_it(
    world: World, replica: Replica
) -> None:
    owner = await world.replica()
    run_id = (await owner.runs.start(world.request())).run.id
    await owner.watch(run_id)
    await kill(owner, replica)

    events = await read_trace(replica, run_id)

    assert named(events, "attempt", "end") == [("attempt", 1, owner.runs.owner), ("end", 1, owner.runs.owner)]
    assert events[-1].detail == {"status": "completed", "stop_reason": "end_turn", "steps": 1, "derived": True}
    assert events[-1].took_ms > 0


async def test_an_owner_that_gave_a_run_back_is_told_of_though_it_was_killed_then(
    world: World, replica: Replica
) -> None:
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    owner = await world.replica()
    run_id = (await owner.runs.start(world.request())).run.id
    await eventually(lambda: len(world.router.requests) == 1)
    await owner.process.drain(0)
    await kill(owner, replica)
    await replica.wait_for(run_id, lambda run: run.is_final)

    events = await read_trace(replica, run_id)

    assert named(events, "attempt", "release") == [
        ("attempt", 1, owner.runs.owner),
        ("release", 1, owner.runs.owner),
        ("attempt", 2, replica.runs.owner),
    ]


async def test_a_run_that_no_process_ever_had_has_an_end(world: World, replica: Replica) -> None:
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    await replica.runs.start(world.request())
    waiting = (await replica.runs.start(world.request("next", on_busy="enqueue"))).run
    await replica.runs.cancel(ORGANIZATION, waiting.id)

    (end,) = await read_trace(replica, waiting.id)

    assert (end.kind, end.attempt, end.owner, end.detail["status"]) == ("end", 0, "", "cancelled")


async def test_what_a_process_wrote_itself_is_not_told_twice(world: World, replica: Replica) -> None:
    run_id = (await replica.runs.start(world.request())).run.id
    await replica.watch(run_id)
    await trace_of(replica, run_id)

    events = await read_trace(replica, run_id)

    assert [event.kind for event in events] == ["attempt", "model_call", "commit", "end"]
    assert not any("derived" in event.detail for event in events)
