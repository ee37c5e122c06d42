"""Agents of the older types, which talk by calling send_message."""

import json

import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import WAYS, Way, messages_of, send

SPEAK = 'call tool send_message with {"message": "Good morning"}'


@pytest.fixture(params=["memgpt_agent", "memgpt_v2_agent"])
async def older(client: AsyncLetta, request: pytest.FixtureRequest) -> AgentState:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    return await client.agents.create(model="openai/gpt-4o-mini", agent_type=request.param, tool_ids=[tool.id])


@pytest.mark.parametrize("way", WAYS)
async def test_what_it_says_is_an_assistant_message(client: AsyncLetta, older: AgentState, way: Way) -> None:
    answer = await send(client, older.id, SPEAK, way)

    assert answer.kinds == ["assistant_message"]
    assert answer.text == "Good morning"
    assert answer.stop_reason == "end_turn"


async def test_what_it_says_can_be_shown_as_a_call(client: AsyncLetta, older: AgentState) -> None:
    response = await client.agents.messages.create(older.id, input=SPEAK, use_assistant_message=False)

    assert [one.message_type for one in response.messages] == ["tool_call_message", "tool_return_message"]


async def test_it_goes_on_after_a_call_that_asks_for_it(client: AsyncLetta, older: AgentState) -> None:
    text = 'call tool roll_dice with {"num_sides": 16, "request_heartbeat": true}'
    answer = await send(client, older.id, text)

    assert answer.kinds[:2] == ["tool_call_message", "tool_return_message"]
    assert answer.messages[1].tool_return == "8"
    assert answer.kinds[-1] == "assistant_message"
    assert "request_heartbeat" in answer.messages[0].tool_calls[0].arguments
    assert [one.message_type for one in await messages_of(client, older.id)][-1] == "assistant_message"


THINK = 'call tool roll_dice with {"thinking": "A die is needed", "num_sides": 16, "request_heartbeat": true}'


@pytest.mark.parametrize("way", WAYS)
async def test_its_thoughts_are_shown_as_reasoning(client: AsyncLetta, older: AgentState, way: Way) -> None:
    answer = await send(client, older.id, THINK, way)

    assert answer.kinds[:3] == ["reasoning_message", "tool_call_message", "tool_return_message"]
    first = answer.messages[0].id
    thoughts = [one for one in answer.messages if one.message_type == "reasoning_message" and one.id == first]
    assert "".join(one.reasoning for one in thoughts) == "A die is needed"
    assert {one.source for one in thoughts} == {"non_reasoner_model"}
    assert answer.kinds[-1] == "assistant_message"


async def test_its_heartbeats_are_stored_but_not_sent(client: AsyncLetta, older: AgentState) -> None:
    answer = await send(client, older.id, THINK)

    stored = await messages_of(client, older.id)
    assert "user_message" not in answer.kinds
    kinds = [one.message_type for one in stored]
    assert kinds[kinds.index("tool_call_message") - 1 :] == [
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
        "user_message",
        "reasoning_message",
        "assistant_message",
    ]
    call = stored[kinds.index("tool_call_message")]
    assert json.loads(call.tool_calls[0].arguments) == {"num_sides": 16, "request_heartbeat": True}
    heartbeat = next(one for one in reversed(stored) if one.message_type == "user_message")
    assert json.loads(heartbeat.content)["type"] == "heartbeat"
    assert heartbeat.otid is None


async def test_what_the_model_is_asked(client: AsyncLetta, older: AgentState, vendors: Vendors) -> None:
    await send(client, older.id, THINK)

    asked = (await vendors.last(older.id))["body"]
    assert (asked["tool_choice"], asked["parallel_tool_calls"]) == ("required", False)
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in asked["tools"]}
    assert list(schemas["roll_dice"]["properties"]) == ["thinking", "num_sides", "request_heartbeat"]
    assert schemas["roll_dice"]["required"] == ["thinking", "num_sides", "request_heartbeat"]
    assert schemas["send_message"]["required"] == ["thinking", "message"]


async def test_it_speaks_without_any_provider(client: AsyncLetta) -> None:
    agent = await client.agents.create(model="perdure/echo", agent_type="memgpt_agent")

    answer = await send(client, agent.id, "Hello", "stream_tokens")

    assert answer.kinds == ["reasoning_message", "assistant_message"]
    assert answer.text == "You said: Hello"
