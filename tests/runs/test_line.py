"""Sends to a busy conversation: they wait for their turn, or stop what it is busy with."""

import asyncio
from dataclasses import replace

import pytest

from perdure.conversation.v1.message_pb2 import ROLE_USER, ApprovalAnswer
from perdure.conversation.v1.model_pb2 import TOOL_KIND_CLIENT
from services.common.conversation_busy import ConversationBusy
from services.common.pieces import EVERYTHING
from services.contract.on_busy import OnBusy
from services.runs.limits import Limits
from services.runs.line import LineTooLong
from services.runs.records import RunFilter
from services.runs.rest.answers import answer_at_end, stream_events
from services.runs.rest.events import EventRenderer
from tests.runs.conftest import LIMITS, ORGANIZATION, TIMEOUT_S, Replica, World, declare_dead, eventually
from tests.runs.fake_services import call, says, tool

STOPPING: tuple[OnBusy, ...] = ("interrupt", "rollback")


async def busy(world: World, replica: Replica, gate: asyncio.Event | None = None) -> str:
    """A run that speaks until the gate opens; its id."""
    world.router.script = [says("a", "b", gate=gate or asyncio.Event())]
    started = await replica.runs.start(world.request("first"))
    await eventually(lambda: len(world.router.requests) == 1)
    return str(started.run.id)


async def join(world: World, replica: Replica, text: str, on_busy: OnBusy = "enqueue") -> str:
    started = await replica.runs.start(world.request(text, on_busy=on_busy))
    return str(started.run.id)


def heard(world: World) -> list[str]:
    return world.agents.texts(world.conversation, ROLE_USER)


async def test_runs_wait_in_order_and_say_where(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    await busy(world, replica, gate)
    waiting = [await join(world, replica, text) for text in ("second", "third")]
    places = [await replica.runs.get(ORGANIZATION, run_id) for run_id in waiting]

    gate.set()
    ended = [await replica.wait_for(run_id, lambda run: run.is_final) for run_id in waiting]

    assert [(run.status, run.queue_position) for run in places] == [("created", 1), ("created", 2)]
    assert [(run.status, run.queue_position) for run in ended] == [("completed", 0)] * 2
    assert heard(world) == ["first", "second", "third"]


async def test_who_waits_gets_signs_of_life(world: World, replica: Replica) -> None:
    await busy(world, replica)
    waiting = await join(world, replica, "second")
    watches = [replica.runs.watch(ORGANIZATION, waiting, 0) for _ in range(2)]
    lines = stream_events(watches[0], EventRenderer(waiting, EVERYTHING, pings=True), read_timeout_s=1)
    blanks = answer_at_end(watches[1], EVERYTHING, read_timeout_s=1)

    async with asyncio.timeout(TIMEOUT_S):
        pings = [await anext(lines) for _ in range(2)]
        white = [await anext(blanks) for _ in range(2)]

    assert all(b'"message_type":"ping"' in ping for ping in pings)
    assert white == [b" "] * 2


@pytest.mark.parametrize("with_redis", [True, False])
async def test_all_who_send_at_once_are_answered(world: World, *, with_redis: bool) -> None:
    replicas = [await world.replica(with_redis=with_redis) for _ in range(2 if with_redis else 1)]
    texts = [f"message {number}" for number in range(20)]

    run_ids = await asyncio.gather(
        *(join(world, replicas[index % len(replicas)], text) for index, text in enumerate(texts))
    )
    events = await asyncio.gather(*(replicas[0].watch(run_id) for run_id in run_ids))

    assert sorted(heard(world)) == sorted(texts)
    assert all(run[-1].HasField("ended") for run in events)
    assert len(world.router.requests) == len(texts)


async def test_no_more_wait_than_may(world: World) -> None:
    replica = await world.replica(limits=replace(LIMITS, longest_line=2))
    await busy(world, replica)
    tries = [join(world, replica, str(number)) for number in range(5)]

    results = await asyncio.gather(*tries, return_exceptions=True)

    refused = [result for result in results if isinstance(result, LineTooLong)]
    assert len(refused) == 3
    assert refused[0].http_status == 429
    assert refused[0].retry_after_s


async def test_a_line_outlives_the_process(world: World) -> None:
    first = await world.replica()
    await busy(world, first)
    waiting = await join(world, first, "second")
    await first.die()
    await declare_dead(first)

    second = await world.replica()

    assert (await second.wait_for(waiting, lambda run: run.is_final)).status == "completed"
    assert heard(world) == ["first", "second"]


async def test_a_run_that_waits_can_be_cancelled(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    await busy(world, replica, gate)
    waiting = [await join(world, replica, text) for text in ("second", "third")]

    cancelled = await replica.runs.cancel(ORGANIZATION, waiting[0])
    gate.set()

    assert (cancelled.status, cancelled.stop_reason) == ("cancelled", "cancelled")
    assert (await replica.watch(waiting[0]))[-1].HasField("ended")
    await replica.wait_for(waiting[1], lambda run: run.status == "completed")
    assert heard(world) == ["first", "third"]


async def test_cancelling_a_conversation_empties_its_line(world: World, replica: Replica) -> None:
    first = await busy(world, replica)
    waiting = await join(world, replica, "second")

    cancelled = await replica.runs.cancel_conversation(ORGANIZATION, world.conversation)

    assert set(cancelled) == {first, waiting}
    found = await replica.runs.list(ORGANIZATION, RunFilter(conversation_id=world.conversation))
    assert {run.status for run in found} == {"cancelled"}
    assert heard(world) == ["first"]


async def test_who_does_not_wait_is_refused_while_others_do(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    await busy(world, replica, gate)
    waiting = await join(world, replica, "second")
    world.agents.hold_begin.clear()
    gate.set()
    await eventually(lambda: len(world.agents.begins) == 2)

    with pytest.raises(ConversationBusy) as refusal:
        await replica.runs.start(world.request("third"))

    world.agents.hold_begin.set()
    assert refusal.value.metadata["run_id"] == waiting


@pytest.mark.parametrize("on_busy", STOPPING)
async def test_the_current_run_is_stopped_for_one_that_interrupts(
    world: World, replica: Replica, on_busy: OnBusy
) -> None:
    first = await busy(world, replica)
    waiting = await join(world, replica, "second")

    urgent = await join(world, replica, "urgent", on_busy)

    assert (await replica.wait_for(first, lambda run: run.is_final)).status == "cancelled"
    for run_id in (urgent, waiting):
        await replica.wait_for(run_id, lambda run: run.status == "completed")
    assert heard(world) == ["first", "urgent", "second"]
    assert world.agents.rolled_back == ([first] if on_busy == "rollback" else [])


async def test_one_that_interrupts_is_interrupted_when_its_input_is_kept(world: World) -> None:
    first, second = await world.replica(), await world.replica()
    started = await busy(world, first)
    world.router.script = [says("c", "d", gate=asyncio.Event())]

    run_ids = [await join(world, second, text, "interrupt") for text in ("urgent", "more urgent")]

    for run_id in (started, run_ids[0]):
        assert (await first.wait_for(run_id, lambda run: run.is_final)).status == "cancelled"
    await first.wait_for(run_ids[1], lambda run: run.status == "completed")
    assert heard(world) == ["first", "urgent", "more urgent"]


async def ask_for_leave(world: World, replica: Replica) -> str:
    world.agents.tools = [tool("ask", TOOL_KIND_CLIENT)]
    world.router.script = [says(calls=[call("ask")])]
    started = await replica.runs.start(world.request("first"))
    await replica.wait_for(started.run.id, lambda run: run.stop_reason == "requires_approval")
    return str(started.run.id)


async def test_who_waited_for_an_approval_is_told_of_no_void_numbers(world: World, replica: Replica) -> None:
    await ask_for_leave(world, replica)
    waiting = await join(world, replica, "second")
    await eventually(lambda: len(world.agents.begins) > 2)

    answer = ApprovalAnswer(call_id="call-1", approve=False)
    await replica.runs.start(world.request(input=(), approvals=(answer,)))
    events = await replica.watch(waiting)

    assert [(event.seq, event.WhichOneof("event")) for event in events] == [(1, "started"), (2, "delta"), (3, "ended")]


async def test_who_waits_lets_the_answer_to_an_approval_pass(world: World, replica: Replica) -> None:
    await ask_for_leave(world, replica)
    waiting = await join(world, replica, "second")
    await eventually(lambda: len(world.agents.begins) > 2)

    answer = ApprovalAnswer(call_id="call-1", approve=False)
    answered = await replica.runs.start(world.request(input=(), approvals=(answer,)))

    await replica.wait_for(answered.run.id, lambda run: run.status == "completed")
    await replica.wait_for(waiting, lambda run: run.status == "completed")
    assert heard(world) == ["first", "second"]


async def test_answers_that_are_sent_again_in_the_background_get_the_first_run(world: World, replica: Replica) -> None:
    await ask_for_leave(world, replica)
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    answer = ApprovalAnswer(call_id="call-1", approve=False)
    request = world.request(input=(), approvals=(answer,), answer_otid="otid", background=True)

    first, again = [await replica.runs.start(request) for _ in range(2)]

    assert (again.attached, again.run.id) == (True, first.run.id)


@pytest.mark.parametrize("on_busy", STOPPING)
async def test_an_approval_is_denied_for_one_that_interrupts(world: World, replica: Replica, on_busy: OnBusy) -> None:
    asking = await ask_for_leave(world, replica)

    urgent = await join(world, replica, "urgent", on_busy)

    await replica.wait_for(urgent, lambda run: run.status == "completed")
    assert world.agents.rolled_back == ([asking] if on_busy == "rollback" else [])


async def test_a_run_whose_agent_went_while_it_waited_fails(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    await busy(world, replica, gate)
    waiting = await join(world, replica, "second")
    world.agents.missing.add(world.conversation)

    gate.set()

    run = await replica.wait_for(waiting, lambda run: run.is_final)
    assert run.status == "failed"
    assert run.failure
    assert run.failure.http_status == 404


async def test_a_run_that_waits_too_long_fails(world: World, replica: Replica) -> None:
    await busy(world, replica)
    started = await replica.runs.start(world.request("second", on_busy="enqueue", timeout_s=0.2))

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert (run.status, run.failure and run.failure.http_status) == ("failed", 504)
    assert heard(world) == ["first"]


async def test_a_deadline_reaches_the_call_of_the_model(world: World, replica: Replica) -> None:
    world.router.script = [says("a", "b", gate=asyncio.Event())]

    started = await replica.runs.start(world.request("first", timeout_s=5.0))

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)
    assert (run.status, run.failure and run.failure.type) == ("failed", "deadline_exceeded")
    await eventually(lambda: world.router.cancelled == 1)


async def test_a_repeated_send_finds_its_place_in_the_line(world: World) -> None:
    replicas = [await world.replica(), await world.replica()]
    await busy(world, replicas[0])
    request = world.request("second", on_busy="enqueue")

    started = await asyncio.gather(
        *(replicas[count % 2].runs.start(replace(request, retry_count=count)) for count in (1, 2, 3))
    )

    assert len({one.run.id for one in started}) == 1
    assert sum(not one.attached for one in started) == 1


async def test_a_send_that_comes_again_while_the_first_is_stored_joins_it(world: World) -> None:
    replicas = [await world.replica(), await world.replica()]
    request = world.request("first")

    started = await asyncio.gather(
        *(replicas[count % 2].runs.start(replace(request, retry_count=count)) for count in (1, 2))
    )

    assert len({one.run.id for one in started}) == 1
    await replicas[0].wait_for(started[0].run.id, lambda run: run.status == "completed")
    assert heard(world) == ["first"]


async def test_a_send_that_comes_again_after_its_run_was_cancelled_gets_that(world: World, replica: Replica) -> None:
    first = await busy(world, replica)
    await replica.runs.cancel(ORGANIZATION, first)

    again = await replica.runs.start(world.request("first", retry_count=1))

    assert (again.attached, again.run.id, again.run.status) == (True, first, "cancelled")
    assert heard(world) == ["first"]


async def test_two_equal_sends_are_two(world: World, replica: Replica) -> None:
    await busy(world, replica)

    run_ids = {await join(world, replica, "same"), await join(world, replica, "same")}

    assert len(run_ids) == 2


async def test_a_conversation_says_what_becomes_of_sends(world: World, replica: Replica) -> None:
    world.agents.on_busy = "enqueue"
    await busy(world, replica)

    started = await replica.runs.start(world.request("second"))
    with pytest.raises(ConversationBusy):
        await replica.runs.start(world.request("third", on_busy="reject"))

    assert started.run.queue_position == 1


async def test_the_server_says_what_becomes_of_sends(world: World) -> None:
    replica = await world.replica(limits=Limits(slots=100, on_busy="enqueue"))
    await busy(world, replica)

    started = await replica.runs.start(world.request("second"))

    assert started.run.queue_position == 1


async def test_nobody_leaves_a_line_without_being_named(world: World, replica: Replica) -> None:
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    await replica.runs.start(world.request())
    waiting = (await replica.runs.start(world.request("next", on_busy="enqueue"))).run

    with pytest.raises(ValueError, match="by id, agent or conversation"):
        await replica.runs.line.store.leave(ORGANIZATION, RunFilter(statuses=("created",)))

    assert not (await replica.runs.get(ORGANIZATION, waiting.id)).is_final
