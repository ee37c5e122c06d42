"""What happens when processes die or hang."""

import asyncio

import pytest
from sqlalchemy import text

from perdure.conversation.v1.message_pb2 import ROLE_USER, ApprovalAnswer
from perdure.conversation.v1.model_pb2 import TOOL_KIND_MEMORY
from services.common.redis import connect
from services.runs.events.numbers import LOST_NUMBERS, unbroken
from services.runs.events.reconcile import without_void
from services.runs.limits import Limits
from services.runs.records import MAX_LOSSES, Run, StepFilter
from tests.runs.conftest import ORGANIZATION, TIMEOUT_S, Replica, World, declare_dead, eventually
from tests.runs.fake_services import ANSWER_TOKENS, PROMPT_TOKENS, call, says, tool

STEP_TOKENS = PROMPT_TOKENS + ANSWER_TOKENS


async def killed_while_streaming(world: World, first: Replica) -> tuple[str, int]:
    """A run whose owner died with two deltas shown; its id, and the last number that a watcher saw."""
    world.router.script = [says("lost", " words", "never", gate=asyncio.Event())]
    started = await first.runs.start(world.request())
    seen = 0
    async for batch in first.runs.watch(ORGANIZATION, started.run.id, 0):
        seen = batch[-1].seq
        if seen == 3:
            break
    await first.die()
    await declare_dead(first)
    return started.run.id, seen


async def test_a_dead_owners_run_is_taken_over(world: World, replica: Replica) -> None:
    first = await world.replica()
    run_id, seen = await killed_while_streaming(world, first)

    run = await replica.wait_for(run_id, lambda run: run.is_final)

    assert (run.status, run.attempt, run.losses, run.steps) == ("completed", 2, 1, 1)
    assert world.agents.texts(world.conversation) == ["done"]
    assert len(world.agents.texts(world.conversation, ROLE_USER)) == 1
    rest = await replica.watch(run_id, seen)
    assert [event.WhichOneof("event") for event in rest] == ["step_discarded", "delta", "ended"]
    assert [event.seq for event in rest] == [seen + 1, seen + 2, seen + 3]
    assert (rest[0].step_discarded.first_seq, len(rest[0].step_discarded.message_ids)) == (2, 1)


async def test_a_replay_leaves_out_what_was_discarded(world: World, replica: Replica) -> None:
    first = await world.replica()
    run_id, _ = await killed_while_streaming(world, first)
    await replica.wait_for(run_id, lambda run: run.is_final)

    events = await replica.watch(run_id)

    assert [event.WhichOneof("event") for event in events] == ["started", "step_discarded", "delta", "ended"]
    assert events[2].delta.text == "done"
    assert unbroken(events) == events


async def test_who_comes_back_after_a_takeover_gets_what_the_first_owner_showed(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.agents.tools = [tool("quick")]
    world.router.script = [says("I will", calls=[call("quick")]), says("lost", "never", gate=asyncio.Event())]
    started = await first.runs.start(world.request())
    await eventually(lambda: len(world.router.requests) == 2)
    await first.die()
    await declare_dead(first)

    events = await replica.watch(started.run.id, 1)

    assert [event.WhichOneof("event") for event in events][:3] == ["delta", "delta", "message"]
    assert [event.seq for event in events] == [*range(2, 2 + len(events))]


async def test_a_log_lost_before_the_owner_died_costs_numbers_and_says_so(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.router.script = [says("lost", " words", "never", gate=asyncio.Event())]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 3)
    redis = connect(world.redis_url)
    await redis.delete(f"perdure:events:{started.run.id}")
    await redis.aclose()
    await first.die()
    await declare_dead(first)

    events = await replica.watch(started.run.id, 3)

    assert [event.WhichOneof("event") for event in events] == ["step_discarded", "delta", "ended"]
    assert (events[0].step_discarded.first_seq, events[0].seq) == (2, 2 + LOST_NUMBERS)
    assert events[1].delta.text == "done"


async def test_an_owner_that_dies_before_its_turn_begins_costs_no_numbers(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.agents.hold_begin.clear()
    starting = asyncio.create_task(first.runs.start(world.request()))
    await eventually(lambda: len(world.agents.begins) == 1)
    await first.die()
    world.agents.hold_begin.set()
    await declare_dead(first)

    events = await replica.watch(world.agents.begins[0].run_id)
    starting.cancel()

    assert [(event.WhichOneof("event"), event.seq, event.attempt) for event in events] == [
        ("started", 1, 2),
        ("delta", 2, 2),
        ("ended", 3, 2),
    ]


async def test_a_finished_model_call_and_finished_tools_are_not_repeated(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.agents.tools = [tool("quick"), tool("stuck"), tool("safe", idempotent=True)]
    stuck = asyncio.Event()

    async def behave(request: object) -> str:
        if request.call_id in ("c2", "c3") and len(world.tools.executed) <= 3:  # type: ignore[attr-defined]
            await stuck.wait()
        return "ok"

    world.tools.behaviour = behave
    world.router.script = [says(calls=[call("quick", "c1"), call("stuck", "c2"), call("safe", "c3")])]
    started = await first.runs.start(world.request())
    await until_noted(first, started.run.id)
    await first.die()
    await declare_dead(first)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert run.status == "completed"
    assert len(world.router.requests) == 2
    assert sorted(world.tools.executed) == ["c1", "c2", "c3", "c3"]
    values = [
        part.tool_return.value for message in world.agents.histories[world.conversation] for part in message.parts
    ]
    assert "interrupted" in values[values.index("ok") + 1]
    assert run.usage.total_tokens == 30


async def until_noted(replica: Replica, run_id: str) -> None:
    """Until the ledger has the result of one call."""
    statement = text("SELECT count(*) FROM runs.tool_calls WHERE run_id = :id AND result IS NOT NULL")
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            async with replica.engine.begin() as connection:
                if (await connection.execute(statement, {"id": run_id})).scalar() == 1:
                    return
            await asyncio.sleep(0.02)


async def test_a_step_committed_in_the_moment_of_death_is_told_by_the_next_owner(
    world: World, replica: Replica
) -> None:
    first = await world.replica()
    world.agents.lose_answer.add("CommitStep")
    world.agents.tools = [tool("quick")]
    world.router.script = [says(calls=[call("quick", "c1")])]
    started = await first.runs.start(world.request())
    await eventually(lambda: "CommitStep" in world.agents.calls)
    await first.hear(started.run.id, 2)
    await first.die()
    await declare_dead(first)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)
    events = await replica.watch(started.run.id)

    assert (run.status, run.steps) == ("completed", 2)
    assert world.tools.executed == ["c1"]
    assert [event.WhichOneof("event") for event in events] == ["started", "delta", "message", "delta", "ended"]


MEMORY = tool("remember", kind=TOOL_KIND_MEMORY)  # its calls are made by the commit: the ledger has no note before it


@pytest.mark.parametrize("last", [False, True])
async def test_a_step_whose_commit_was_not_answered_is_counted_by_the_next_owner(
    world: World, replica: Replica, last: bool
) -> None:
    first = await world.replica()
    world.agents.lose_answer.add("CommitStep")
    world.agents.tools = [MEMORY]
    world.router.script = [says("done") if last else says(calls=[call("remember")])]
    started = await first.runs.start(world.request())
    await eventually(lambda: "CommitStep" in world.agents.calls and not world.agents.lose_answer)
    await first.die()
    await declare_dead(first)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    await expect_all_figures(replica, run, steps=1 if last else 2)


@pytest.mark.parametrize("last", [False, True])
async def test_a_step_that_its_owner_could_not_write_down_is_counted_by_the_next(
    world: World, replica: Replica, last: bool
) -> None:
    first = await world.replica()
    gate = asyncio.Event()
    world.agents.tools = [MEMORY]
    calls = [] if last else [call("remember")]
    world.router.script = [says("some", " words", gate=gate, calls=calls)]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 2)
    async with replica.engine.begin() as connection:
        await connection.execute(text("SELECT FROM runs.runs WHERE id = :id FOR UPDATE"), {"id": started.run.id})
        gate.set()
        await until_one_waits_to_write_steps(replica)
        await first.die()
    await declare_dead(first)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    await expect_all_figures(replica, run, steps=1 if last else 2)


async def test_a_step_that_no_owner_wrote_down_is_counted_once_however_many_died(world: World) -> None:
    world.agents.lose_answer.add("CommitStep")
    world.agents.tools = [MEMORY]
    world.router.script = [says(calls=[call("remember")]), says("never", " stored", gate=asyncio.Event())]
    first = await world.replica()
    started = await first.runs.start(world.request())
    await eventually(lambda: "CommitStep" in world.agents.calls and not world.agents.lose_answer)
    await first.die()
    second = await world.replica()
    await declare_dead(second)
    await eventually(lambda: len(world.router.requests) == 2)
    await second.die()
    third = await world.replica()
    await declare_dead(third)

    run = await third.wait_for(started.run.id, lambda run: run.is_final)

    assert run.attempt == 3
    await expect_all_figures(third, run, steps=2)


async def test_the_next_owner_counts_no_step_for_an_answered_request(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("careful", requires_approval=True)]
    world.router.script = [says(calls=[call("careful", "c1")])]
    await replica.watch((await replica.runs.start(world.request())).run.id)
    world.agents.lose_answer.add("CommitStep")
    first = await world.replica()
    approvals = (ApprovalAnswer(call_id="c1", approve=True),)
    started = await first.runs.start(world.request(input=(), approvals=approvals))
    await eventually(lambda: not world.agents.lose_answer)
    await first.die()
    await declare_dead(first)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    await expect_all_figures(replica, run, steps=1)


async def expect_all_figures(replica: Replica, run: Run, *, steps: int) -> None:
    """Every step of a completed run is counted once, and has its row."""
    rows = sorted(await replica.runs.list_steps(ORGANIZATION, StepFilter(run_id=run.id)), key=lambda step: step.number)
    assert (run.status, run.steps, run.usage.total_tokens) == ("completed", steps, steps * STEP_TOKENS)
    assert [(step.status, step.usage.total_tokens) for step in rows] == [("success", STEP_TOKENS)] * steps
    assert [step.stop_reason for step in rows] == [*[None] * (steps - 1), "end_turn"]
    assert all(step.model.handle == "fake/model" and step.llm_request_ns for step in rows)
    assert all(0 < step.first_seq <= step.last_seq <= (run.last_seq or 0) for step in rows)


async def until_one_waits_to_write_steps(replica: Replica) -> None:
    """Until a process waits for the lock that a test has."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%runs.steps%'"
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            async with replica.engine.begin() as connection:
                if (await connection.execute(text(waiting))).scalar():
                    return
            await asyncio.sleep(0.02)


async def test_approved_calls_are_made_once_though_the_owner_died_before_them(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.agents.tools = [tool("careful", requires_approval=True)]
    world.router.script = [says(calls=[call("careful", "c1")])]
    await first.watch((await first.runs.start(world.request())).run.id)
    world.agents.hold_begin.clear()
    approvals = (ApprovalAnswer(call_id="c1", approve=True),)
    starting = asyncio.create_task(first.runs.start(world.request(input=(), approvals=approvals)))
    await eventually(lambda: len(world.agents.begins) == 2)
    await first.die()
    world.agents.hold_begin.set()
    await declare_dead(first)

    run = await replica.wait_for(world.agents.begins[1].run_id, lambda run: run.is_final)
    starting.cancel()

    assert (run.status, run.stop_reason, run.attempt) == ("completed", "end_turn", 2)
    assert world.tools.executed == ["c1"]


async def test_a_run_that_kills_its_owners_is_given_up(world: World, replica: Replica) -> None:
    first = await world.replica()
    run_id, _ = await killed_while_streaming(world, first)
    async with replica.engine.begin() as connection:
        losses = text("UPDATE runs.runs SET losses = :losses WHERE id = :id")
        await connection.execute(losses, {"id": run_id, "losses": MAX_LOSSES - 1})

    run = await replica.wait_for(run_id, lambda run: run.is_final)

    assert run.status == "failed"
    assert run.failure is not None
    assert "given up" in run.failure.detail
    assert world.router.requests[1:] == []


async def test_an_old_owner_cannot_write_after_a_takeover(world: World, replica: Replica) -> None:
    first = await world.replica()
    gate = asyncio.Event()
    world.router.script = [says("old", " words", gate=gate)]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 2)
    async with first.engine.begin() as connection:
        await connection.execute(text("UPDATE runs.runs SET owner = 'nobody' WHERE id = :id"), {"id": started.run.id})

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)
    gate.set()
    await eventually(lambda: started.run.id not in first.runs.turns.run_ids)

    assert run.attempt == 2
    assert world.agents.texts(world.conversation) == ["done"]
    events = await replica.watch(started.run.id)
    assert [event.delta.text for event in events if event.HasField("delta")] == ["done"]


async def test_runs_above_the_slots_wait_for_one(world: World) -> None:
    replica = await world.replica(limits=Limits(slots=1))
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)]
    first = await replica.runs.start(world.request())
    second = await replica.runs.start(world.request(conversation_id="conv-other"))
    waiting = await replica.wait_for(second.run.id, lambda run: run.owner is None)

    gate.set()

    assert waiting.status == "running"
    assert (await replica.watch(first.run.id))[-1].ended.steps == 1
    assert (await replica.watch(second.run.id))[-1].ended.steps == 1


async def test_a_watcher_of_an_owner_that_lost_its_run_gets_the_rest(world: World, replica: Replica) -> None:
    first = await world.replica()
    gate = asyncio.Event()
    world.router.script = [says("old", " words", gate=gate)]
    started = await first.runs.start(world.request())
    watching = asyncio.create_task(first.watch(started.run.id))
    await eventually(lambda: len(world.router.requests) == 1)
    async with first.engine.begin() as connection:
        await connection.execute(text("UPDATE runs.runs SET owner = 'nobody' WHERE id = :id"), {"id": started.run.id})

    events = await watching

    assert [event.delta.text for event in without_void(events) if event.HasField("delta")] == ["done"]
    assert unbroken(events) == events
