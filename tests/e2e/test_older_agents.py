"""Agents of the older types, which talk by calling send_message."""

import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.tool_sources import ROLL_DICE
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


async def test_it_speaks_without_any_provider(client: AsyncLetta) -> None:
    agent = await client.agents.create(model="perdure/echo", agent_type="memgpt_agent")

    answer = await send(client, agent.id, "Hello", "stream_tokens")

    assert answer.kinds == ["assistant_message"]
    assert answer.text == "You said: Hello"
