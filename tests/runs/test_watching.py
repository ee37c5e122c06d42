"""Watching runs: on any replica, from any number on, live and afterwards."""

import asyncio
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import event as engine_events

from perdure.conversation.v1.message_pb2 import STOP_REASON_CANCELLED
from perdure.runs.v1.run_pb2 import RunEvent
from services.common.database import DatabaseAway
from services.common.redis import connect
from services.runs.events.numbers import unbroken
from services.runs.records import Run, RunFilter, StepFilter
from services.runs.watching import ProcessStops, RunNotFound, RunReader, Watching
from tests.runs.conftest import ORGANIZATION, TIMEOUT_S, Replica, World, eventually
from tests.runs.fake_services import call, says, tool

TURNS = 10  # measured


def is_unbroken(events: list[RunEvent]) -> bool:
    """Whether every number is an event's, or declared void by one."""
    return unbroken(events) == events


def told(events: list[RunEvent]) -> list[tuple[int, str, str]]:
    return [(event.seq, event.WhichOneof("event") or "", event.delta.text) for event in events]


@dataclass
class LeavingRuns:
    """A database that is away for the looks with these numbers, from 1."""

    runs: RunReader
    away: range
    looks: int = 0

    async def get(self, organization_id: str, run_id: str) -> Run | None:
        self.looks += 1
        if self.looks in self.away:
            raise DatabaseAway
        return await self.runs.get(organization_id, run_id)


async def get_in_line(world: World, replica: Replica, gate: asyncio.Event) -> str:
    """A run that waits until the gate opens for another."""
    world.router.script = [says("a", "b", gate=gate)]
    await replica.runs.start(world.request("first"))
    waiting = await replica.runs.start(world.request("second", on_busy="enqueue"))
    return str(waiting.run.id)


async def test_who_follows_a_run_in_line_hears_that_it_was_deleted(world: World, replica: Replica) -> None:
    run_id = await get_in_line(world, replica, asyncio.Event())
    database = LeavingRuns(replica.runs.store, away=range(0))
    following = asyncio.create_task(_last_of(replace(replica.runs.watching, runs=database), run_id))
    await eventually(lambda: database.looks > 1)

    await replica.runs.delete(ORGANIZATION, run_id)

    assert (await following).ended.stop_reason == STOP_REASON_CANCELLED


async def test_who_follows_a_run_hears_that_it_was_deleted(world: World, replica: Replica) -> None:
    other = await world.replica()
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    started = await replica.runs.start(world.request())
    following = [asyncio.create_task(_last_of(one.runs.watching, started.run.id)) for one in (replica, other)]
    await asyncio.gather(*(one.hear(started.run.id, 2) for one in (replica, other)))

    await replica.runs.delete(ORGANIZATION, started.run.id)

    assert [event.ended.stop_reason for event in await asyncio.gather(*following)] == [STOP_REASON_CANCELLED] * 2


async def test_who_follows_a_run_where_the_last_process_stops_hears_that_it_is_not_over(world: World) -> None:
    replica = await world.replica()
    world.router.script = [says("a", gate=asyncio.Event())]
    async with replica.runs.send(world.request()) as started:
        watching = asyncio.create_task(replica.watch(started.run.id))
        await replica.process.drain(0.1)

        await replica.process.see_off(3600)

        with pytest.raises(ProcessStops):
            await watching


async def _last_of(watching: Watching, run_id: str) -> RunEvent:
    async with asyncio.timeout(TIMEOUT_S):
        batches = [batch async for batch in watching.watch(ORGANIZATION, run_id, 0)]
    return batches[-1][-1]


async def test_a_watcher_of_a_run_that_waits_outlives_an_outage(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    run_id = await get_in_line(world, replica, gate)
    database = LeavingRuns(replica.runs.store, away=range(2, 4))
    watching = replace(replica.runs.watching, runs=database)
    following = asyncio.create_task(anext(watching.watch(ORGANIZATION, run_id, 0)))

    await eventually(lambda: database.looks > 3 or following.done())
    gate.set()

    async with asyncio.timeout(TIMEOUT_S):
        assert (await following)[0].HasField("started")


async def test_who_comes_during_an_outage_is_told_at_once(world: World, replica: Replica) -> None:
    run_id = await get_in_line(world, replica, asyncio.Event())
    watching = replace(replica.runs.watching, runs=LeavingRuns(replica.runs.store, away=range(1, 2)))

    with pytest.raises(DatabaseAway):
        await anext(watching.watch(ORGANIZATION, run_id, 0))


async def test_two_replicas_see_the_same_live(world: World, replica: Replica) -> None:
    other = await world.replica()
    gate = asyncio.Event()
    world.router.script = [says("a", "b", "c", gate=gate)]
    started = await replica.runs.start(world.request())
    watching = [asyncio.create_task(each.watch(started.run.id)) for each in (replica, other)]
    for each in (replica, other):
        await each.hear(started.run.id, 3)

    gate.set()
    here, there = await asyncio.gather(*watching)

    assert told(here) == told(there)
    assert [event.seq for event in here] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("after_seq", [0, 1, 2, 3, 4, 99])
async def test_a_replay_begins_after_any_number(world: World, replica: Replica, after_seq: int) -> None:
    world.router.script = [says("a", "b")]
    started = await replica.runs.start(world.request())
    everything = await replica.watch(started.run.id)

    rest = await replica.watch(started.run.id, after_seq)

    assert told(rest) == [each for each in told(everything) if each[0] > after_seq] or told(rest) == told(
        everything[-1:]
    )


async def test_a_watcher_that_leaves_changes_nothing(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)]
    started = await replica.runs.start(world.request())
    async for _ in replica.runs.watch(ORGANIZATION, started.run.id, 0):
        break

    gate.set()

    assert (await replica.watch(started.run.id))[-1].ended.steps == 1


async def test_a_log_that_redis_lost_is_made_again(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("quick")]
    world.router.script = [says("I will", calls=[call("quick")]), says("and", " so")]
    started = await replica.runs.start(world.request())
    before = await replica.watch(started.run.id)
    redis = connect(world.redis_url)
    await redis.delete(f"perdure:events:{started.run.id}")
    await redis.aclose()

    after = await replica.watch(started.run.id)
    nothing_new = await replica.watch(started.run.id, before[-2].seq)

    shown = [event.WhichOneof("event") for event in after]
    assert shown == ["started", "message", "message", "step_discarded", "message", "ended"]
    assert is_unbroken(after)
    assert after[-1].ended == before[-1].ended
    assert [event.WhichOneof("event") for event in nothing_new] == ["ended"]


async def test_without_redis_one_replica_streams_and_replays(world: World) -> None:
    replica = await world.replica(with_redis=False)

    started = await replica.runs.start(world.request())
    live = await replica.watch(started.run.id)

    assert told(await replica.watch(started.run.id)) == told(live)


async def test_an_unknown_run_is_not_found(replica: Replica) -> None:
    with pytest.raises(RunNotFound):
        await replica.watch("run-unknown")


async def test_a_one_step_turn_takes_two_statements(world: World, replica: Replica) -> None:
    turns: list[list[str]] = []

    def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
        turns[-1].append(" ".join(statement.split())[:18])

    engine_events.listen(replica.engine.sync_engine, "before_cursor_execute", note)
    for _ in range(TURNS):
        turns.append([])
        await replica.watch((await replica.runs.start(world.request())).run.id)

    assert min(turns, key=len) == [  # what the background asks at the same time only adds to a turn
        "INSERT INTO runs.r",
        "WITH owned AS (SEL",
    ]


async def test_runs_and_steps_page_in_both_directions(world: World, replica: Replica) -> None:
    ids = []
    for _ in range(3):
        started = await replica.runs.start(world.request())
        await replica.watch(started.run.id)
        ids.append(started.run.id)
    here = RunFilter(conversation_id=world.conversation)

    newest = await replica.runs.list(ORGANIZATION, replace(here, limit=2))
    older = await replica.runs.list(ORGANIZATION, replace(here, after=newest[-1].id))
    newer = await replica.runs.list(ORGANIZATION, replace(here, before=ids[0], limit=1))
    steps = await replica.runs.list_steps(ORGANIZATION, StepFilter(run_id=ids[0]))

    assert [run.id for run in newest] == [ids[2], ids[1]]
    assert [run.id for run in older] == [ids[0]]
    assert [run.id for run in newer] == [ids[1]]
    assert [(step.status, step.usage.total_tokens, step.model.handle) for step in steps] == [
        ("success", 15, "fake/model")
    ]
