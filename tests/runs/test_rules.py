"""What the rules on tools allow, demand and end."""

import asyncio
from typing import Any

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    TOOL_STATUS_SUCCESS,
    ApprovalAnswer,
    Message,
    Part,
    ToolReturn,
)
from services.runs.turns.rules import Rules, turn_steps
from tests.runs.conftest import Replica, World, eventually
from tests.runs.fake_services import call, says, tool
from tests.runs.test_recovery import declare_dead
from tests.runs.test_turns import finished

TOOLS = ("a", "b", "c")


def rules(*given: dict[str, Any]) -> Rules:
    return Rules.read(orjson.dumps(given).decode())


def rule(kind: str, name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "tool_name": name, **fields}


def step(*names: str, value: str = "") -> list[ToolReturn]:
    return [ToolReturn(name=name, value=value, status=TOOL_STATUS_SUCCESS, executed=True) for name in names]


FIRST = rule("run_first")
CHILDREN = rule("constrain_child_tools", children=["b"])
CONDITIONAL = rule("conditional", child_output_mapping={"yes": "b", "true": "c"}, default_child="a")
STRICT = rule("conditional", child_output_mapping={"yes": "b"}, require_output_mapping=True)
TWICE = rule("max_count_per_step", max_count_limit=2)
PARENT = rule("parent_last_tool", children=["b"])
REQUIRED = rule("required_before_exit")
EXIT_B = rule("exit_loop", "b")
EXIT_A = rule("exit_loop")


@pytest.mark.parametrize(
    ("given", "steps", "allowed", "must_call"),
    [
        pytest.param([], [], "abc", False, id="no rules"),
        pytest.param([FIRST], [], "a", True, id="run_first at the beginning"),
        pytest.param([FIRST], [step("a")], "abc", False, id="run_first later"),
        pytest.param([FIRST, rule("run_first", "b")], [], "ab", True, id="one of two first"),
        pytest.param([rule("run_first", "gone")], [], "abc", False, id="run_first of a tool that is not there"),
        pytest.param([CHILDREN], [], "abc", False, id="children before their parent"),
        pytest.param([CHILDREN], [step("a")], "b", True, id="children after their parent"),
        pytest.param([CHILDREN], [step("a"), step("b")], "abc", False, id="children had their turn"),
        pytest.param([CHILDREN], [step("a", "c")], "b", True, id="children of one of several calls"),
        pytest.param([CONDITIONAL], [step("a", value="yes")], "b", True, id="conditional by value"),
        pytest.param([CONDITIONAL], [step("a", value="True")], "c", True, id="conditional by a boolean"),
        pytest.param([CONDITIONAL], [step("a", value="no")], "a", True, id="conditional by default"),
        pytest.param([STRICT], [step("a", value="no")], "", False, id="conditional without a way on"),
        pytest.param([TWICE], [step("a")], "abc", False, id="max_count not reached"),
        pytest.param([TWICE], [step("a"), step("a")], "bc", False, id="max_count reached"),
        pytest.param([PARENT], [], "ac", False, id="no child without its parent"),
        pytest.param([PARENT], [step("a")], "abc", False, id="a child after its parent"),
        pytest.param([PARENT], [step("a"), step("c")], "ac", False, id="no child a step later"),
        pytest.param([PARENT, rule("parent_last_tool", "c", children=["b"])], [step("c")], "abc", False, id="parents"),
        pytest.param([REQUIRED], [step("b")], "abc", True, id="required is missing"),
        pytest.param([REQUIRED], [step("a")], "abc", False, id="required was called"),
        pytest.param([REQUIRED, EXIT_B], [], "ac", True, id="no exit while one is missing"),
        pytest.param([REQUIRED, EXIT_B], [step("a")], "abc", False, id="exit when none is missing"),
        pytest.param([REQUIRED, EXIT_A], [], "abc", True, id="an exit that is required itself"),
        pytest.param([rule("continue_loop"), rule("requires_approval")], [step("a")], "abc", False, id="no constraint"),
    ],
)
def test_what_may_and_what_must_be_called(
    given: list[dict[str, Any]], steps: list[list[ToolReturn]], allowed: str, *, must_call: bool
) -> None:
    assert rules(*given).allowed(steps, TOOLS) == set(allowed)
    assert rules(*given).must_call(steps, TOOLS) == must_call


def test_calls_that_break_a_rule_are_refused_with_what_is_allowed() -> None:
    refused = rules(FIRST).refusals([call("a", "1"), call("b", "2"), call("unknown", "3")], [], TOOLS)

    assert refused == {"2": "Error: b may not be called now. You may call: a."}


def test_calls_of_one_answer_count_together() -> None:
    refused = rules(TWICE).refusals([call("a", "1"), call("a", "2"), call("a", "3")], [], TOOLS)

    assert list(refused) == ["3"]


def test_fixed_arguments_are_demanded() -> None:
    fixed = rules(rule("run_first", args={"x": [1]}))

    refused = fixed.refusals([call("a", "1", '{"x": [2]}'), call("a", "2", '{"x": [1], "y": 3}')], [], TOOLS)

    assert list(refused) == ["1"]
    assert '{"x":[1]}' in refused["1"]
    assert fixed.arguments("a", [step("b")]) == {}


def test_fixed_arguments_of_a_child_are_demanded() -> None:
    fixed = rules({**CHILDREN, "child_arg_nodes": [{"name": "b", "args": {"x": 1}}]})

    assert fixed.arguments("b", [step("a")]) == {"x": 1}
    assert fixed.arguments("b", [step("c")]) == {}


def test_exits_end_the_turn() -> None:
    assert rules(EXIT_B).ends_turn(["a", "b"])
    assert not rules(EXIT_B).ends_turn(["a"])


def test_the_steps_of_a_turn_are_read_from_its_messages() -> None:
    def returns(*given: ToolReturn) -> Message:
        return Message(role=ROLE_TOOL, parts=[Part(tool_return=each) for each in given])

    refused = ToolReturn(name="b", status=TOOL_STATUS_ERROR)
    asked = Message(role=ROLE_USER, parts=[Part(text="hello")])
    window = [
        returns(*step("old")),
        asked,
        Message(role=ROLE_ASSISTANT),
        returns(*step("a"), refused),
        returns(refused),
    ]

    assert [[each.name for each in made] for made in turn_steps(window)] == [["a"]]


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
    assert "Call one of these tools: a, b." in world.router.requests[1].messages[-1].parts[0].text
    assert world.agents.texts(world.conversation) == ["I am done.", "Now I am."]
    assert world.agents.texts(world.conversation, ROLE_USER) == ["hello"]


async def test_fixed_arguments_are_shown_to_the_model(world: World, replica: Replica) -> None:
    await run_with(world, replica, rule("run_first", args={"x": 7}))

    schema = orjson.loads(world.router.requests[0].tools[0].parameters)
    assert schema["properties"] == {"x": {"type": "integer", "const": 7}}
    assert schema["required"] == ["x"]


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
