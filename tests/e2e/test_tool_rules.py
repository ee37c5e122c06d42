"""Rules on the order of tools, on the whole stack."""

from typing import Any

import pytest
from letta_client import AsyncLetta

from tests.e2e.conftest import MakeAgent
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import send

MODELS = ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5-20250929", "google_ai/gemini-2.5-pro"]
ROLL = 'call tool roll_dice with {"num_sides": 16}'


def rule(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "tool_name": "roll_dice", **fields}


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
