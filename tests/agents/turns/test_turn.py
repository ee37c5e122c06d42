"""Turns: the lock, the fence, steps and ends."""

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from perdure.agents.v1 import turn_service_pb2 as pb
from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    STOP_REASON_END_TURN,
    TOOL_STATUS_ERROR,
    ToolCall,
    Usage,
)
from services.agents.agents.tables import agents
from services.common.errors import Conflict, InvalidArgument, NotFound, Superseded
from services.common.ids import new_id
from tests.agents.turns.world import (
    CALL,
    END_TURN,
    ORGANIZATION,
    World,
    answered,
    approved,
    calling,
    returned,
    said,
    texts,
)

USAGE = Usage(prompt_tokens=5, completion_tokens=2, total_tokens=7)


async def test_a_turn_begins_with_its_window_and_ends_with_its_last_step(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")

    snapshot = (await world.begin(agent_id, run_id)).snapshot
    committed = await world.commit(run_id, assistant=answered("hi"), end=END_TURN, usage=Usage(total_tokens=7))

    assert texts(snapshot.window) == ["You are an agent.", "hello"]
    assert texts(snapshot.input) == ["hello"]
    assert (snapshot.next_step, snapshot.agent.model, snapshot.agent.context_window) == (1, "openai/m", 1000)
    assert snapshot.agent.settings.temperature == 0.5
    [message] = committed.messages
    assert (message.run_id, message.step_id, message.agent_id) == (run_id, snapshot.next_step_id, agent_id)
    assert snapshot.input[0].step_id == snapshot.next_step_id
    assert committed.outcome.state == pb.TURN_STATE_COMPLETED
    assert (committed.outcome.stop_reason, committed.outcome.steps) == (STOP_REASON_END_TURN, 1)
    assert [m.role for m in await world.window(agent_id)] == [ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT]


@pytest.mark.parametrize("turns", [1, 100])
async def test_the_number_of_statements_does_not_grow_with_history(world: World, turns: int) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.talk(agent_id, turns)

    with world.counting() as beginning:
        await world.begin(agent_id, run_id)
        begun = len(beginning)
    with world.counting() as committing:
        await world.commit(run_id, assistant=answered("hi"), end=END_TURN, figures=pb.StepFigures(usage=USAGE))

    assert (begun, len(committing)) == (4, 2)


async def test_begin_answers_the_same_attempt_the_same(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")

    first = await world.begin(agent_id, run_id)
    second = await world.begin(agent_id, run_id)

    first.snapshot.opened = False  # the second call began nothing
    assert first == second


async def test_a_second_run_meets_a_busy_conversation(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)

    with pytest.raises(Conflict, match=f"run_id={run_id}.*is currently being processed") as raised:
        await world.begin(agent_id)

    assert raised.value.reason == "CONVERSATION_BUSY"
    assert raised.value.metadata == {"run_id": run_id}
    assert raised.value.extra == {"run_id": run_id}
    assert raised.value.should_retry is False


async def test_of_many_runs_at_once_one_gets_the_conversation(world: World) -> None:
    agent_id = await world.create_agent()

    begun = await asyncio.gather(*(world.begin(agent_id) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(answer, pb.BeginTurnResponse) for answer in begun) == 1
    assert sum(isinstance(answer, Conflict) for answer in begun) == 7
    assert texts(await world.window(agent_id)) == ["You are an agent.", "hello"]


async def test_a_higher_attempt_takes_the_turn_over_and_fences_the_old_owner_off(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    opened = (await world.begin(agent_id, run_id)).snapshot
    await world.commit(run_id, assistant=calling(CALL), returns=[returned()], tool_message_id=new_id("message"))

    taken = (await world.begin(agent_id, run_id, attempt=2)).snapshot

    assert (opened.opened, taken.opened) == (True, False)
    assert (taken.next_step, texts(taken.input)) == (2, ["hello"])
    assert texts(taken.window) == ["You are an agent.", "hello", "roll", "6"]
    with pytest.raises(Superseded):
        await world.commit(run_id, 2, assistant=answered("late"))
    with pytest.raises(Superseded):
        await world.end(run_id, attempt=1)
    with pytest.raises(Superseded):
        await world.begin(agent_id, run_id)
    await world.commit(run_id, 2, attempt=2, assistant=answered("done"), end=END_TURN)


async def test_who_takes_a_turn_over_is_told_what_its_last_step_came_to(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    opened = (await world.begin(agent_id, run_id)).snapshot
    one, two = (pb.StepFigures(id=f"step-{number}", number=number, usage=USAGE) for number in (1, 2))
    await world.commit(
        run_id, assistant=calling(CALL), returns=[returned()], tool_message_id=new_id("message"), figures=one
    )

    taken = (await world.begin(agent_id, run_id, attempt=2)).snapshot
    ended = await world.commit(run_id, 2, attempt=2, assistant=answered("done"), end=END_TURN, figures=two)

    assert not opened.HasField("last_step")
    assert (taken.last_step, ended.outcome.last_step) == (one, two)
    assert (await world.begin(agent_id, run_id, attempt=3)).outcome.last_step == two
    assert (await world.end(run_id)).last_step == two


async def test_a_turn_that_answers_a_request_has_no_step_of_a_model_before_the_next(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id)
    await world.begin(agent_id, run_id, approvals=[approved()])
    await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))

    taken = (await world.begin(agent_id, run_id, attempt=2)).snapshot

    assert taken.next_step == 2
    assert not taken.HasField("last_step")


async def test_a_repeated_step_answers_what_the_first_did(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    step: dict[str, Any] = {"assistant": calling(CALL), "returns": [returned()], "tool_message_id": new_id("message")}

    first = await world.commit(run_id, **step)
    second = await world.commit(run_id, **step)

    assert first == second
    assert texts(await world.window(agent_id)) == ["You are an agent.", "hello", "roll", "6"]


async def test_a_heartbeat_is_the_last_message_of_its_step(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    heartbeat = pb.Heartbeat(message_id=new_id("message"), reason="Go on.")
    step: dict[str, Any] = {"assistant": calling(CALL), "returns": [returned()], "tool_message_id": new_id("message")}

    first = await world.commit(run_id, heartbeat=heartbeat, **step)
    second = await world.commit(run_id, heartbeat=heartbeat, **step)
    await world.commit(run_id, 2, assistant=answered("done"), end=END_TURN)

    assert first == second
    stored = (await world.window(agent_id))[-2]
    assert (stored.id, stored.role, stored.otid) == (heartbeat.message_id, ROLE_USER, "")
    assert stored.step_id == first.messages[0].step_id
    told = orjson.loads(stored.parts[0].text)
    assert (told["type"], told["reason"]) == ("heartbeat", "Go on.")


async def test_a_repeated_last_step_answers_the_outcome_again(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    message = answered("hi")

    first = await world.commit(run_id, assistant=message, end=END_TURN)
    second = await world.commit(run_id, assistant=message, end=END_TURN)

    assert first == second


async def test_a_step_out_of_order_is_refused(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)

    with pytest.raises(Conflict, match="next step"):
        await world.commit(run_id, 3, assistant=answered("hi"))


async def test_a_step_without_a_return_for_each_call_is_refused(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    other = ToolCall(id="call_2", name="roll", arguments="{}")

    with pytest.raises(InvalidArgument):
        await world.commit(run_id, assistant=calling(CALL), returns=[returned(), returned(other)])

    assert texts(await world.window(agent_id)) == ["You are an agent.", "hello"]


async def test_returns_stand_in_the_order_of_their_calls(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    other = ToolCall(id="call_2", name="flip", arguments="{}")

    committed = await world.commit(
        run_id, assistant=calling(CALL, other), returns=[returned(other, "b"), returned(value="a")]
    )

    assert [part.tool_return.value for part in committed.messages[1].parts] == ["a", "b"]


async def test_memory_tools_run_in_the_step_and_renew_the_system_message(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    calls = [ToolCall(id="a", name="remember"), ToolCall(id="b", name="broken_memory"), CALL]

    committed = await world.commit(run_id, assistant=calling(*calls), returns=[returned()])

    kept, failed, rolled = (part.tool_return for part in committed.messages[1].parts)
    assert (kept.value, rolled.value) == ("remembered", "6")
    assert failed.status == TOOL_STATUS_ERROR
    assert "no such block" in failed.value
    assert texts([committed.system]) == [f"prompt of {agent_id}"]
    assert (await world.window(agent_id))[0] == committed.system


async def test_the_first_end_wins(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)

    first = await world.end(run_id)
    second = await world.end(run_id, pb.TURN_STATE_FAILED)
    late = await world.commit(run_id, assistant=answered("late"), end=END_TURN)

    assert first == second == late.outcome
    assert first.state == pb.TURN_STATE_CANCELLED
    assert not late.messages
    assert texts(await world.window(agent_id)) == ["You are an agent.", "hello"]


async def test_the_agent_remembers_how_its_last_run_ended(world: World) -> None:
    agent_id = await world.create_agent()
    await world.request_approval(agent_id)

    async with world.database.begin() as tx:
        row = (await tx.execute(select(agents).where(agents.c.id == agent_id))).one()

    assert row.last_stop_reason == "requires_approval"
    assert row.last_run_completion is not None
    assert row.last_run_duration_ms >= 0


async def test_a_step_of_a_deleted_agent_learns_that_its_turn_ended(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    async with world.database.begin() as tx:
        await world.history.delete_of_agent(tx, ORGANIZATION, agent_id)

    late = await world.commit(run_id, assistant=answered("late"), end=END_TURN)

    assert late.outcome.state == pb.TURN_STATE_DELETED


async def test_an_end_frees_the_conversation(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)

    await world.end(run_id)

    await world.talk(agent_id)


async def test_a_turn_that_was_ended_before_it_began_does_not_begin(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")

    ended = await world.end(run_id, conversation_id=agent_id)
    begun = await world.begin(agent_id, run_id)

    assert begun.outcome == ended
    assert texts(await world.window(agent_id)) == ["You are an agent."]


async def test_beginning_and_ending_at_once_agree(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")

    begun, ended = await asyncio.gather(world.begin(agent_id, run_id), world.end(run_id, conversation_id=agent_id))

    assert ended.state == pb.TURN_STATE_CANCELLED
    assert begun.WhichOneof("state") in ("snapshot", "outcome")
    assert (await world.begin(agent_id, run_id)).outcome.state == pb.TURN_STATE_CANCELLED
    await world.talk(agent_id)


async def test_unknown_conversations_and_turns_are_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="Agent not found"):
        await world.begin(new_id("agent"))
    with pytest.raises(NotFound):
        await world.begin(new_id("conv"))
    with pytest.raises(NotFound):
        await world.commit(new_id("run"), assistant=answered("hi"))


async def test_input_keeps_the_clients_offline_id_and_order(world: World) -> None:
    agent_id = await world.create_agent()

    begun = await world.begin(agent_id, input=[said("one", otid="mine"), said("two")])

    first, second = begun.snapshot.input
    assert (first.otid, texts([second])) == ("mine", ["two"])
    assert len(second.otid) == 36
    assert ROLE_TOOL not in [message.role for message in begun.snapshot.window]
