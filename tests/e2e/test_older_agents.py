"""Agents of the older types, which talk by calling send_message."""

import json
from typing import Any

import pytest
from letta_client import AsyncLetta, UnprocessableEntityError
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


FINISH = '''
def finish(result: str) -> str:
    """Ends the work.

    Args:
        result: What came of it.
    """
    return result
'''


async def test_a_react_agent_calls_tools_until_it_asks_no_more(client: AsyncLetta) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await client.agents.create(model="openai/gpt-4o-mini", agent_type="react_agent", tool_ids=[tool.id])

    asked = 'call tool roll_dice with {"thinking": "One", "num_sides": 6, "request_heartbeat": false}'
    answer = await send(client, agent.id, asked)

    assert answer.kinds == ["reasoning_message", "tool_call_message", "tool_return_message"]
    assert answer.returns[0][2] == "3"
    assert answer.stop_reason == "end_turn"


async def test_a_react_agent_without_tools_answers_in_words(client: AsyncLetta) -> None:
    agent = await client.agents.create(model="openai/gpt-4o-mini", agent_type="react_agent")

    answer = await send(client, agent.id, "Hello")

    assert answer.kinds == ["assistant_message"]
    assert [tool.name for tool in agent.tools or []] == []


async def test_a_workflow_agent_goes_from_its_first_tool_to_its_last(client: AsyncLetta) -> None:
    roll, finish = [await client.tools.upsert(source_code=source) for source in (ROLL_DICE, FINISH)]
    rules: list[Any] = [  # Any: the SDK's kinds of rules
        {"type": "run_first", "tool_name": "roll_dice"},
        {"type": "constrain_child_tools", "tool_name": "roll_dice", "children": ["finish"]},
        {"type": "exit_loop", "tool_name": "finish"},
    ]
    agent = await client.agents.create(
        model="openai/gpt-4o-mini",
        agent_type="workflow_agent",
        tool_ids=[roll.id, finish.id],
        tool_rules=rules,
        include_base_tool_rules=False,
    )

    answer = await send(client, agent.id, "Do your work")

    names = [one.tool_calls[0].name for one in answer.messages if one.message_type == "tool_call_message"]
    assert names == ["roll_dice", "finish"]
    assert [status for _, status, _ in answer.returns] == ["success", "success"]


async def test_a_voice_agent_needs_a_second_one(client: AsyncLetta) -> None:
    with pytest.raises(UnprocessableEntityError, match="enable_sleeptime"):
        await client.agents.create(model="openai/gpt-4o-mini", agent_type="voice_convo_agent")


async def test_a_voice_agent_speaks_and_recalls(client: AsyncLetta) -> None:
    agent = await client.agents.create(
        model="openai/gpt-4o-mini", agent_type="voice_convo_agent", enable_sleeptime=True
    )
    await send(client, agent.id, "My cat is called Miou")

    answer = await send(client, agent.id, 'call tool search_memory with {"convo_keyword_queries": ["Miou"]}')

    assert "My cat is called Miou" in answer.returns[0][2]
    assert answer.kinds[-1] == "assistant_message"


async def test_an_agent_that_tends_the_memory_of_a_voice_agent_rewrites_blocks(client: AsyncLetta) -> None:
    agent = await client.agents.create(
        model="openai/gpt-4o-mini",
        agent_type="voice_sleeptime_agent",
        memory_blocks=[{"label": "human", "value": "Name: unknown"}],
    )

    await send(client, agent.id, 'call tool memory_rethink with {"label": "human", "new_memory": "Name: Ada"}')

    assert (await client.agents.blocks.retrieve("human", agent_id=agent.id)).value == "Name: Ada"
    assert {tool.name for tool in agent.tools} >= {"archival_memory_insert", "memory_rethink", "memory_finish_edits"}
    await client.agents.delete(agent.id)
