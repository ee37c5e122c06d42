"""Cancelling, at each point of a turn, from this replica and from another."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from perdure.conversation.v1.message_pb2 import STOP_REASON_CANCELLED, ApprovalAnswer
from perdure.conversation.v1.model_pb2 import TOOL_KIND_MEMORY
from services.common.errors import Conflict
from services.runs.limits import Limits
from services.runs.records import RunFilter, Started, StepFilter
from tests.runs.conftest import ORGANIZATION, TIMEOUT_S, Replica, World, declare_dead, eventually
from tests.runs.fake_services import call, says, tool


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_cancel_closes_the_call_to_the_model(world: World, replica: Replica, elsewhere: bool) -> None:
    other = await world.replica()
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    started = await replica.runs.start(world.request())
    watching = asyncio.create_task(replica.watch(started.run.id))
    await replica.hear(started.run.id, 2)

    cancelled = await (other if elsewhere else replica).runs.cancel(ORGANIZATION, started.run.id)
    events = await watching

    assert (cancelled.status, cancelled.stop_reason) == ("cancelled", "cancelled")
    assert [event.WhichOneof("event") for event in events] == ["started", "delta", "step_discarded", "ended"]
    assert events[-1].ended.stop_reason == STOP_REASON_CANCELLED
    await eventually(lambda: world.router.cancelled == 1)
    assert world.agents.texts(world.conversation) == []
    again = await replica.watch(started.run.id)
    assert [event.WhichOneof("event") for event in again] == ["started", "step_discarded", "ended"]


async def test_cancel_kills_running_tools_and_keeps_committed_steps(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("quick"), tool("endless")]

    async def behave(request: object) -> str:
        if request.tool_id == "tool-endless":  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        return "ok"

    world.tools.behaviour = behave
    world.router.script = [says(calls=[call("quick", "c1")]), says(calls=[call("endless", "c2")])]
    started = await replica.runs.start(world.request())
    await eventually(lambda: "c2" in world.tools.executed)

    await replica.runs.cancel(ORGANIZATION, started.run.id)
    events = await replica.watch(started.run.id)

    assert events[-1].ended.steps == 1
    assert events[-1].ended.usage.total_tokens == 15
    await eventually(lambda: world.tools.cancelled == 1)
    assert len(await replica.runs.steps.of_run(ORGANIZATION, started.run.id)) >= 1


async def test_cancel_of_a_run_whose_owner_is_dead_ends_it(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 2)
    await first.die()

    await replica.runs.cancel(ORGANIZATION, started.run.id)
    events = await replica.watch(started.run.id)

    assert [event.WhichOneof("event") for event in events] == ["started", "step_discarded", "ended"]
    assert events[-1].ended.stop_reason == STOP_REASON_CANCELLED


async def test_cancel_of_a_run_whose_owner_is_dead_counts_its_steps(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.agents.tools = [tool("quick"), tool("remember", kind=TOOL_KIND_MEMORY)]
    gate = asyncio.Event()
    world.router.script = [says(calls=[call("quick")]), says("some", " words", gate=gate, calls=[call("remember")])]
    started = await first.runs.start(world.request())
    await eventually(lambda: len(world.router.requests) == 2)
    world.agents.lose_answer.add("CommitStep")
    gate.set()
    await eventually(lambda: not world.agents.lose_answer)
    await first.die()

    cancelled = await replica.runs.cancel(ORGANIZATION, started.run.id)

    rows = await replica.runs.list_steps(ORGANIZATION, StepFilter(run_id=started.run.id))
    assert (cancelled.status, cancelled.steps, cancelled.usage.total_tokens) == ("cancelled", 2, 30)
    assert [(row.status, row.usage.total_tokens) for row in rows] == [("success", 15)] * 2


async def test_who_sent_a_message_that_is_cancelled_before_it_begins_is_told_so(world: World, replica: Replica) -> None:
    sending, _ = await send_slowly(world, replica)

    cancelled = await replica.runs.cancel_conversation(ORGANIZATION, world.conversation)
    started = await sending
    world.agents.hold_begin.set()
    events = await replica.watch(started.run.id)

    assert cancelled == [started.run.id]
    assert events[-1].ended.stop_reason == STOP_REASON_CANCELLED


async def test_who_sent_a_message_that_is_refused_is_told_so_also_where_its_run_is_missed(
    world: World, replica: Replica
) -> None:
    sending, run_id = await send_slowly(world, replica)
    world.agents.begin_failures.append(Conflict("busy"))

    async with replica.engine.begin() as connection:
        await connection.execute(text("DELETE FROM runs.runs WHERE id = :id"), {"id": run_id})
        world.agents.hold_begin.set()
        await wait_until_blocked(connection)
        replica.runs.turns.stop([run_id], "lost")  # as the heartbeat says of a run that is gone

        with pytest.raises(Conflict, match="busy"):
            await sending


async def test_cancel_passes_over_a_run_that_is_refused_meanwhile(world: World, replica: Replica) -> None:
    sending, run_id = await send_slowly(world, replica)

    async with replica.engine.begin() as connection:
        await connection.execute(text("DELETE FROM runs.runs WHERE id = :id"), {"id": run_id})
        cancelling = asyncio.create_task(replica.runs.cancel_conversation(ORGANIZATION, world.conversation))
        await wait_until_blocked(connection)

    assert await cancelling == []
    world.agents.hold_begin.set()
    await asyncio.wait([sending])


async def send_slowly(world: World, replica: Replica) -> tuple[asyncio.Task[Started], str]:
    """A message that is about to begin, until `hold_begin` is set; its run."""
    world.agents.hold_begin.clear()
    sending = asyncio.create_task(replica.runs.start(world.request()))
    await eventually(lambda: bool(world.agents.begins))
    return sending, world.agents.begins[0].run_id


async def wait_until_blocked(connection: AsyncConnection) -> None:
    """Until somebody waits for what a transaction has locked."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(TIMEOUT_S):
        while not await connection.scalar(waiting):  # noqa: ASYNC110  # the state is in another process
            await asyncio.sleep(0.02)


async def test_cancel_of_a_run_that_is_being_taken_over_declares_void_what_was_shown(
    world: World, replica: Replica
) -> None:
    first = await world.replica()
    world.router.script = [says("never", " stored", "", gate=asyncio.Event())]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 3)
    await first.die()
    world.agents.hold_begin.clear()
    await declare_dead(first)
    await replica.wait_for(started.run.id, lambda run: run.attempt == 2)
    await eventually(lambda: len(world.agents.begins) == 2)

    await replica.runs.cancel(ORGANIZATION, started.run.id)
    world.agents.hold_begin.set()
    events = await replica.watch(started.run.id, 3)

    assert [event.WhichOneof("event") for event in events] == ["step_discarded", "ended"]
    assert [event.seq for event in events] == [4, 5]
    assert events[0].step_discarded.first_seq == 2


async def test_a_run_that_has_ended_stays_as_it_is(world: World, replica: Replica) -> None:
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)

    assert (await replica.runs.cancel(ORGANIZATION, started.run.id)).status == "completed"


async def test_cancel_without_an_active_run_denies_what_waits(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("careful", requires_approval=True)]
    world.router.script = [says(calls=[call("careful")])]
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)

    assert await replica.runs.cancel_conversation(ORGANIZATION, world.conversation) == [started.run.id]


async def test_cancel_denies_what_others_wait_for(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("careful", requires_approval=True)]
    world.router.script = [says(calls=[call("careful")])]
    asking = await replica.runs.start(world.request())
    await replica.watch(asking.run.id)
    in_line = await replica.runs.start(world.request("next", on_busy="enqueue"))

    cancelled = await replica.runs.cancel_conversation(ORGANIZATION, world.conversation)

    assert sorted(cancelled) == sorted([asking.run.id, in_line.run.id])


async def test_all_requests_of_an_agent_are_denied_however_many(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("careful", requires_approval=True)]
    many, asking = 25, []
    world.router.script = [says(calls=[call("careful")])] * many
    for number in range(many):
        request = world.request(conversation_id=f"conv-{number}", agent_id="agent-1")
        asking.append((await replica.runs.start(request)).run.id)
        await replica.watch(asking[-1])

    cancelled = await replica.runs.cancel_agent(ORGANIZATION, "agent-1")

    assert sorted(cancelled) == sorted(asking)


async def test_all_runs_of_an_agent_are_cancelled_however_many(world: World) -> None:
    replica = await world.replica(limits=Limits(slots=1))
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    many = RunFilter().limit + 1
    for number in range(many):
        await replica.runs.start(world.request(conversation_id=f"conv-{number}", agent_id="agent-1"))

    cancelled = await replica.runs.cancel_agent(ORGANIZATION, "agent-1")

    assert len(set(cancelled)) == many


async def test_only_the_last_request_of_a_conversation_is_denied(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("careful", requires_approval=True)]
    world.router.script = [says(calls=[call("careful", "c1")]), says(calls=[call("careful", "c2")])]
    await replica.watch((await replica.runs.start(world.request())).run.id)
    approvals = (ApprovalAnswer(call_id="c1", approve=True),)
    asking = await replica.runs.start(world.request(input=(), approvals=approvals))
    await replica.watch(asking.run.id)

    assert await replica.runs.cancel_conversation(ORGANIZATION, world.conversation) == [asking.run.id]
    assert world.agents.calls.count("EndTurn") == 1


async def test_deleting_an_active_run_ends_its_turn(world: World, replica: Replica) -> None:
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    started = await replica.runs.start(world.request())

    await replica.runs.delete(ORGANIZATION, started.run.id)

    assert world.agents.turns[started.run.id].outcome is not None
    second = await replica.runs.start(world.request())
    assert (await replica.watch(second.run.id))[-1].ended.steps == 1
