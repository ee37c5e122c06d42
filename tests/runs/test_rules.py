"""What the rules on tools allow, demand and end: without a turn."""

from random import Random
from typing import Any

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    ApprovalAnswer,
    Message,
    Part,
    ToolReturn,
)
from services.runs.turns.rules import Rules
from services.runs.turns.settled import SettledCall, settled_steps
from tests.runs.fake_services import call

TOOLS = ("a", "b", "c")
NAMES = [*TOOLS, "gone"]


def rules(*given: dict[str, Any]) -> Rules:
    return Rules.read(orjson.dumps(given).decode())


def rule(kind: str, name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "tool_name": name, **fields}


def step(*names: str, value: str = "") -> list[SettledCall]:
    return [SettledCall(name, value) for name in names]


def denied(name: str) -> list[SettledCall]:
    return [SettledCall(name, is_denied=True)]


FIRST = rule("run_first")
CHILDREN = rule("constrain_child_tools", children=["b"])
CONDITIONAL = rule("conditional", child_output_mapping={"yes": "b", "true": "c"}, default_child="a")
STRICT = rule("conditional", child_output_mapping={"yes": "b"}, require_output_mapping=True)
TWICE = rule("max_count_per_step", max_count_limit=2)
PARENT = rule("parent_last_tool", children=["b"])
REQUIRED = rule("required_before_exit")
EXIT_B = rule("exit_loop", "b")
EXIT_A = rule("exit_loop")
CHILDREN_TOO = rule("constrain_child_tools", children=["b", "c"])
STRICT_WITH_DEFAULT = {**STRICT, "default_child": "c"}
NULL = rule("conditional", child_output_mapping={"null": "c"}, default_child="b")
FIRST_CHILD = rule("run_first", "b")
ONCE = rule("max_count_per_step", "b", max_count_limit=1)
NEVER = rule("max_count_per_step", max_count_limit=0)
FOSTERED = rule("parent_last_tool", "gone", children=["a"])


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
        pytest.param([CHILDREN, CHILDREN_TOO], [step("a")], "b", True, id="what all child rules name"),
        pytest.param([CHILDREN, CONDITIONAL], [step("a", value="true")], "bc", True, id="what child rules name apart"),
        pytest.param([CHILDREN, EXIT_B], [step("a")], "b", True, id="a child that ends the turn"),
        pytest.param([CHILDREN, ONCE], [step("b"), step("a")], "", False, id="children are used up"),
        pytest.param([CHILDREN, ONCE, rule("required_before_exit", "c")], [step("b"), step("a")], "c", True, id="c"),
        pytest.param([rule("constrain_child_tools", children=["gone"])], [step("a")], "", False, id="gone"),
        pytest.param([CHILDREN, rule("parent_last_tool", "c", children=["b"])], [step("a")], "", False, id="orphans"),
        pytest.param([PARENT, CHILDREN], [step("a")], "b", True, id="parent and child rule agree"),
        pytest.param([STRICT_WITH_DEFAULT], [step("a", value="no")], "", False, id="strict beats default"),
        pytest.param([STRICT_WITH_DEFAULT], [step("a", value="yes")], "b", True, id="strict conditional by value"),
        pytest.param([NULL], [step("a", value="None")], "c", True, id="conditional by nothing"),
        pytest.param([FIRST_CHILD, PARENT], [], "ac", False, id="a first call that cannot be made"),
        pytest.param([FIRST, EXIT_A, rule("required_before_exit", "b")], [], "bc", True, id="first is last"),
        pytest.param([REQUIRED, FOSTERED], [], "bc", False, id="required but unreachable"),
        pytest.param([REQUIRED, NEVER], [], "bc", False, id="required but never allowed"),
        pytest.param([REQUIRED, PARENT, rule("required_before_exit", "b")], [step("c")], "ac", True, id="parent first"),
        pytest.param([FIRST], [denied("a")], "abc", False, id="run_first was denied"),
        pytest.param([REQUIRED], [denied("a")], "abc", False, id="required was denied"),
        pytest.param([CHILDREN], [denied("a")], "abc", False, id="no children of a denied call"),
        pytest.param([CHILDREN], [step("a"), denied("b")], "abc", False, id="a child was denied"),
        pytest.param([PARENT], [denied("a")], "ac", False, id="a denied parent frees nothing"),
        pytest.param([CONDITIONAL], [denied("a")], "abc", False, id="a denied call returned nothing"),
        pytest.param([TWICE], [step("a"), denied("a")], "abc", False, id="a denied call uses nothing up"),
    ],
)
def test_what_may_and_what_must_be_called(
    given: list[dict[str, Any]], steps: list[list[SettledCall]], allowed: str, *, must_call: bool
) -> None:
    assert rules(*given).allowed(steps, TOOLS) == set(allowed)
    assert rules(*given).must_call(steps, TOOLS) == must_call


@pytest.mark.parametrize(
    ("given", "steps", "demanded"),
    [
        pytest.param([], [], "", id="nothing"),
        pytest.param([REQUIRED], [step("b")], "a", id="what is missing"),
        pytest.param([CHILDREN, REQUIRED], [step("a")], "b", id="a child"),
        pytest.param([REQUIRED, PARENT, rule("required_before_exit", "b")], [], "a", id="what need not wait"),
        pytest.param([PARENT, rule("required_before_exit", "b")], [step("c")], "ac", id="what has to wait"),
    ],
)
def test_what_is_demanded(given: list[dict[str, Any]], steps: list[list[SettledCall]], demanded: str) -> None:
    assert rules(*given).demanded(steps, TOOLS) == set(demanded)


def test_calls_that_break_a_rule_are_refused_with_what_is_allowed() -> None:
    refused = rules(FIRST).refusals([call("a", "1"), call("b", "2"), call("unknown", "3")], [], TOOLS)

    assert refused == {"2": "Error: b may not be called now. You may call: a."}


def test_calls_of_one_answer_count_together() -> None:
    refused = rules(TWICE).refusals([call("a", "1"), call("a", "2"), call("a", "3")], [], TOOLS)

    assert list(refused) == ["3"]


@pytest.mark.parametrize(
    ("given", "filled_in"),
    [
        pytest.param('{"x": [2], "y": 3}', {"x": [1], "y": 3}, id="in place of the model's"),
        pytest.param('{"y": 3}', {"x": [1], "y": 3}, id="beside the model's"),
        pytest.param("", {"x": [1]}, id="alone"),
    ],
)
def test_fixed_arguments_are_filled_in(given: str, filled_in: dict[str, Any]) -> None:
    fixed, made = rules(rule("run_first", args={"x": [1]})), call("a", "1", given)

    fixed.fill_in([made], [])

    assert orjson.loads(made.arguments) == filled_in
    assert fixed.refusals([made], [], TOOLS) == {}


@pytest.mark.parametrize("given", ["{broken", "[1]"])
def test_arguments_that_make_no_sense_stay_as_they_are(given: str) -> None:
    made = call("a", "1", given)

    rules(rule("run_first", args={"x": 1})).fill_in([made], [])

    assert made.arguments == given


def test_later_calls_get_no_fixed_arguments() -> None:
    assert rules(rule("run_first", args={"x": [1]})).arguments("a", [step("b")]) == {}


def test_fixed_arguments_of_a_child_are_filled_in() -> None:
    fixed = rules({**CHILDREN, "child_arg_nodes": [{"name": "b", "args": {"x": 1}}]})

    assert fixed.arguments("b", [step("a")]) == {"x": 1}
    assert fixed.arguments("b", [step("c")]) == {}


def test_exits_end_the_turn() -> None:
    assert rules(EXIT_B).ends_turn(["a", "b"])
    assert not rules(EXIT_B).ends_turn(["a"])


def returns(*given: ToolReturn) -> Message:
    return Message(role=ROLE_TOOL, parts=[Part(tool_return=each) for each in given])


def returned(name: str, **fields: Any) -> ToolReturn:
    return ToolReturn(call_id=f"call of {name}", name=name, status=TOOL_STATUS_ERROR, **fields)


def test_the_steps_of_a_turn_are_read_from_its_messages() -> None:
    window = [
        returns(returned("old", executed=True)),
        Message(role=ROLE_USER, parts=[Part(text="hello")], otid="otid"),
        Message(role=ROLE_ASSISTANT),
        returns(returned("a", value="six", executed=True), returned("b")),
        returns(returned("b")),
    ]

    assert settled_steps(window) == [[SettledCall("a", "six")]]


def test_denied_calls_and_those_that_the_client_made_are_settled() -> None:
    result = ApprovalAnswer(call_id="call of a", result=ToolReturn(status=TOOL_STATUS_ERROR))
    denial = ApprovalAnswer(call_id="call of b", approve=False)
    approval = Message(role=ROLE_APPROVAL, parts=[Part(approval_answer=result), Part(approval_answer=denial)])

    window = [approval, returns(returned("a"), returned("b"), returned("c"))]

    assert settled_steps(window) == [[SettledCall("a"), SettledCall("b", is_denied=True)]]


def random_rule(random: Random) -> dict[str, Any]:
    name, children = random.choice(NAMES), random.sample(NAMES, random.randint(1, 3))
    fields: dict[str, Any] = {
        "constrain_child_tools": {"children": children},
        "conditional": {
            "child_output_mapping": {"yes": children[0]},
            "default_child": random.choice([None, *NAMES]),
            "require_output_mapping": random.random() < 0.3,
        },
        "max_count_per_step": {"max_count_limit": random.randint(0, 2)},
        "parent_last_tool": {"children": children},
    }
    kinds = ["run_first", "exit_loop", "continue_loop", "required_before_exit", "requires_approval", *fields]
    kind = random.choice(kinds)
    return rule(kind, name, **fields.get(kind, {}))


@pytest.mark.parametrize("seed", range(100))
def test_any_rules_agree_with_themselves_at_any_point_of_a_turn(seed: int) -> None:
    random = Random(seed)
    some = rules(*(random_rule(random) for _ in range(random.randint(1, 6))))
    steps: list[list[SettledCall]] = []

    for _ in range(6):
        allowed = some.allowed(steps, TOOLS)
        refused = some.refusals([call(name, name) for name in TOOLS], steps, TOOLS)
        alone = {name for name in TOOLS if not some.refusals([call(name, name)], steps, TOOLS)}

        assert allowed <= set(TOOLS)
        assert alone == allowed
        assert set(TOOLS) - refused.keys() == allowed
        assert some.demanded(steps, TOOLS) <= allowed
        taken = random.choice(sorted(allowed) or ["a"])
        steps.append([SettledCall(taken, random.choice(["yes", "no"]), is_denied=random.random() < 0.2)])
