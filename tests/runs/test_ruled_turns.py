"""Turns of agents with rules on their tools."""

import asyncio
from typing import Any

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_USER, ApprovalAnswer
from tests.runs.conftest import Replica, World, declare_dead, eventually
from tests.runs.fake_services import call, says, tool
from tests.runs.test_rules import CHILDREN, EXIT_B, FIRST, REQUIRED, rule
from tests.runs.test_turns import finished


async def run_with(world: World, replica: Replica, *given: dict[str, Any]) -> Any:  # Any: a Run
    world.agents.tools = [tool("a", parameters='{"type":"object","properties":{"x":{"type":"integer"}}}'), tool("b")]
    world.agents.tool_rules = orjson.dumps(given).decode()
    return await finished(replica, world)


def offered(world: World) -> list[tuple[list[str], str]]:
    return [([each.name for each in asked.tools], asked.tool_choice) for asked in world.router.requests]


async def test_the_model_is_offered_what_is_allowed_and_has_to_take_it(world: World, replica: Replica) -> None:
    world.router.script = [says(calls=[call("a")]), says(calls=[call("b", "c2")])]

    run = await run_with(world, replica, FIRST, CHILDREN)

    assert offered(world) == [(["a"], "required"), (["b"], "required"), (["a", "b"], "auto")]
    assert (run.stop_reason, run.steps) == ("end_turn", 3)


async def test_a_call_against_the_rules_is_not_made(world: World, replica: Replica) -> None:
    world.router.script = [says(calls=[call("b")])]

    await run_with(world, replica, FIRST)

    assert world.tools.executed == []
    (returned,) = world.router.requests[1].messages[-1].parts
    assert "You may call: a." in returned.tool_return.value
    assert offered(world)[1] == (["a"], "required")


async def test_an_exit_ends_the_turn(world: World, replica: Replica) -> None:
    world.router.script = [says(calls=[call("b")])]

    run = await run_with(world, replica, EXIT_B)

    assert (run.status, run.stop_reason, run.steps) == ("completed", "tool_rule", 1)
    assert world.tools.executed == ["call-1"]


async def test_words_do_not_end_a_turn_that_lacks_a_call(world: World, replica: Replica) -> None:
    world.router.script = [says("I am done."), says(calls=[call("a")]), says("Now I am.")]

    run = await run_with(world, replica, REQUIRED)

    assert (run.stop_reason, run.steps) == ("end_turn", 3)
    assert "Call one of these tools: a." in world.router.requests[1].messages[-1].parts[0].text
    assert world.agents.texts(world.conversation) == ["I am done.", "Now I am."]
    assert world.agents.texts(world.conversation, ROLE_USER) == ["hello"]


async def test_what_is_demanded_is_offered_first(world: World, replica: Replica) -> None:
    world.router.script = [says(calls=[call("b")]), says(calls=[call("a", "c2")])]

    await run_with(world, replica, rule("required_before_exit", "b"))

    assert offered(world)[:2] == [(["b", "a"], "required"), (["a", "b"], "auto")]


async def test_fixed_arguments_are_shown_to_the_model(world: World, replica: Replica) -> None:
    await run_with(world, replica, rule("run_first", args={"x": 7}))

    schema = orjson.loads(world.router.requests[0].tools[0].parameters)
    assert schema["properties"] == {"x": {"type": "integer", "const": 7}}
    assert schema["required"] == ["x"]


async def test_fixed_arguments_are_those_that_the_tool_gets(world: World, replica: Replica) -> None:
    world.router.script = [says(calls=[call("a", arguments='{"x": 1}')])]
    given: list[str] = []

    async def behave(request: Any) -> str:
        given.append(request.arguments)
        return "done"

    world.tools.behaviour = behave
    await run_with(world, replica, rule("run_first", args={"x": 7}))

    assert given == ['{"x":7}']
    [called] = [
        part.tool_call
        for each in world.router.requests[1].messages
        for part in each.parts
        if part.HasField("tool_call")
    ]
    assert called.arguments == '{"x":7}'


async def test_rules_that_leave_no_tool_let_the_model_answer_in_words(world: World, replica: Replica) -> None:
    world.router.script = [says(calls=[call("a")])]

    run = await run_with(world, replica, rule("constrain_child_tools", children=["gone"]))

    assert offered(world)[1] == (["a", "b"], "none")
    assert (run.stop_reason, run.steps) == ("end_turn", 2)


async def test_an_approved_call_is_made_though_new_rules_forbid_it(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("a", requires_approval=True), tool("b")]
    world.router.script = [says(calls=[call("a", "c1")])]
    await finished(replica, world)
    world.agents.tool_rules = orjson.dumps([rule("run_first", "b")]).decode()

    await finished(replica, world, input=(), approvals=(ApprovalAnswer(call_id="c1", approve=True),))

    assert world.tools.executed == ["c1"]


async def test_input_beside_an_answer_begins_anew_with_the_rules(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("a", requires_approval=True), tool("b")]
    world.agents.tool_rules = orjson.dumps([FIRST]).decode()
    world.router.script = [says(calls=[call("a", "c1")]), says(calls=[call("a", "c2")])]
    await finished(replica, world)

    await finished(replica, world, approvals=(ApprovalAnswer(call_id="c1", approve=True),))

    assert offered(world)[1] == (["a"], "required")


async def test_an_exit_that_was_approved_ends_the_turn(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("b", requires_approval=True)]
    world.agents.tool_rules = orjson.dumps([EXIT_B]).decode()
    world.router.script = [says(calls=[call("b")])]
    await finished(replica, world)

    approvals = (ApprovalAnswer(call_id="call-1", approve=True),)
    run: Any = await finished(replica, world, input=(), approvals=approvals)

    assert (run.status, run.stop_reason) == ("completed", "tool_rule")
    assert world.tools.executed == ["call-1"]
    assert len(world.router.requests) == 1


async def test_a_new_owner_knows_the_calls_of_the_turn(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.agents.tools = [tool("a"), tool("b")]
    world.agents.tool_rules = orjson.dumps([FIRST, CHILDREN]).decode()
    world.router.script = [says(calls=[call("a")]), says("lost", gate=asyncio.Event()), says(calls=[call("b", "c2")])]
    started = await first.runs.start(world.request())
    await eventually(lambda: len(world.router.requests) == 2)
    await first.die()
    await declare_dead(first)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert (run.attempt, run.stop_reason) == (2, "end_turn")
    assert offered(world)[1:] == [(["b"], "required"), (["b"], "required"), (["a", "b"], "auto")]


async def test_a_call_against_the_rules_is_not_made_beside_an_approved_one(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("a", requires_approval=True), tool("b")]
    world.agents.tool_rules = orjson.dumps([FIRST]).decode()
    world.router.script = [says(calls=[call("a", "c1"), call("b", "c2")])]
    await finished(replica, world)

    await finished(replica, world, input=(), approvals=(ApprovalAnswer(call_id="c1", approve=True),))

    assert world.tools.executed == ["c1"]
