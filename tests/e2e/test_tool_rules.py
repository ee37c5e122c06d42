"""Rules on the order of tools, on the whole stack."""

from typing import Any

import pytest
from letta_client import AsyncLetta

from tests.e2e.conftest import MakeAgent
from tests.e2e.human_in_the_loop import answers, approve, deny
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import send

MODELS = ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5-20250929", "google_ai/gemini-2.5-pro"]
ROLL = 'call tool roll_dice with {"num_sides": 16}'


CHAIN = ("roll_first", "roll_second")
FOLLOWS = {"type": "constrain_child_tools", "tool_name": CHAIN[0], "children": [CHAIN[1]]}


def rule(kind: str, name: str = "roll_dice", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "tool_name": name, **fields}


async def test_an_exit_ends_the_turn(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id], tool_rules=[rule("exit_loop")])

    answer = await send(client, agent.id, ROLL)

    assert answer.kinds == ["tool_call_message", "tool_return_message"]
    assert answer.stop_reason == "tool_rule"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["run_first", "required_before_exit"])
async def test_a_demanded_tool_is_called_unasked(
    client: AsyncLetta, make_agent: MakeAgent, model: str, kind: str
) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(model, tool_ids=[tool.id], tool_rules=[rule(kind)])

    answer = await send(client, agent.id, "Hello")

    assert "tool_return_message" in answer.kinds
    assert answer.kinds[-1] == "assistant_message"
    assert answer.stop_reason == "end_turn"


async def test_a_model_that_would_end_early_calls_all_that_is_required(
    client: AsyncLetta, make_agent: MakeAgent
) -> None:
    tools = [await client.tools.upsert(source_code=ROLL_DICE.replace("roll_dice", name)) for name in CHAIN]
    rules = [rule("required_before_exit", name) for name in CHAIN]
    agent = await make_agent(tool_ids=[tool.id for tool in tools], tool_rules=rules)

    answer = await send(client, agent.id, "Hello")

    assert sorted(one.name for one in answer.messages if one.message_type == "tool_return_message") == sorted(CHAIN)
    assert (answer.kinds[-1], answer.stop_reason) == ("assistant_message", "end_turn")


async def test_a_tool_is_not_called_more_often_than_allowed(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id], tool_rules=[rule("max_count_per_step", max_count_limit=1)])

    await send(client, agent.id, f"{word} {ROLL}")

    first, second = await vendors.received(word)
    assert [one["body"]["tool_choice"] for one in (first, second)] == ["auto", "none"]


async def test_a_rule_makes_a_tool_wait_for_approval(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id], tool_rules=[rule("requires_approval")])

    answer = await send(client, agent.id, ROLL)

    assert answer.kinds == ["approval_request_message"]
    assert answer.stop_reason == "requires_approval"


@pytest.mark.parametrize("kind", ["run_first", "required_before_exit"])
async def test_a_denial_frees_the_model_from_a_demanded_call(
    client: AsyncLetta, make_agent: MakeAgent, kind: str
) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id], tool_rules=[rule(kind), rule("requires_approval")])
    [call_id] = (await send(client, agent.id, "Hello")).waiting

    answer = await send(client, agent.id, answers(deny(call_id, "not today")))

    assert answer.kinds == ["tool_return_message", "assistant_message"]
    assert answer.stop_reason == "end_turn"


async def test_a_denied_exit_does_not_end_the_turn(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id], tool_rules=[rule("exit_loop"), rule("requires_approval")])
    [denied] = (await send(client, agent.id, ROLL)).waiting
    after_denial = await send(client, agent.id, answers(deny(denied, "no")))
    [approved] = (await send(client, agent.id, ROLL)).waiting
    after_approval = await send(client, agent.id, answers(approve(approved)))

    assert after_denial.stop_reason == "end_turn"
    assert (after_approval.kinds, after_approval.stop_reason) == (["tool_return_message"], "tool_rule")


async def test_fixed_arguments_are_what_the_client_approves(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    rules = [rule("run_first", args={"num_sides": 100}), rule("requires_approval")]
    agent = await make_agent(tool_ids=[tool.id], tool_rules=rules)

    asked = await send(client, agent.id, ROLL)
    [(call_id, (_, arguments))] = asked.waiting.items()
    answer = await send(client, agent.id, answers(approve(call_id)))

    assert arguments == '{"num_sides":100}'
    assert [value for *_, value in answer.returns] == ["50"]


async def test_a_rule_on_a_tool_that_was_detached_does_not_stop_the_agent(
    client: AsyncLetta, make_agent: MakeAgent
) -> None:
    tools = [await client.tools.upsert(source_code=ROLL_DICE.replace("roll_dice", name)) for name in CHAIN]
    agent = await make_agent(tool_ids=[tool.id for tool in tools], tool_rules=[rule("run_first", CHAIN[1]), FOLLOWS])
    await client.agents.tools.detach(tools[1].id, agent_id=agent.id)

    answer = await send(client, agent.id, f'call tool {CHAIN[0]} with {{"num_sides": 4}}')

    assert answer.kinds == ["tool_call_message", "tool_return_message", "assistant_message"]
    assert answer.stop_reason == "end_turn"


async def test_a_call_out_of_turn_is_an_error_that_names_what_may_be_called(
    client: AsyncLetta, make_agent: MakeAgent
) -> None:
    tools = [await client.tools.upsert(source_code=ROLL_DICE.replace("roll_dice", name)) for name in CHAIN]
    agent = await make_agent(tool_ids=[tool.id for tool in tools], tool_rules=[rule("run_first", CHAIN[0]), FOLLOWS])
    first, second = (f'call tool {name} with {{"num_sides": 4}}' for name in CHAIN)

    answer = await send(client, agent.id, f"{second} then {first} then {second}")

    statuses = [(status, value) for _, status, value in answer.returns]
    assert statuses[0][0] == "error"
    assert f"You may call: {CHAIN[0]}." in statuses[0][1]
    assert statuses[1:] == [("success", "2"), ("success", "2")]
    assert answer.stop_reason == "end_turn"
