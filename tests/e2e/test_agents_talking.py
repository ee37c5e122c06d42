"""Agents that talk to other agents."""

import ast
import json
import uuid

import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.vendors import Vendors
from tests.e2e.waiting import eventually
from tests.e2e.ways import WAYS, Way, messages_of, send

ASK = "send_message_to_agent_and_wait_for_reply"
TELL = "send_message_to_agent_async"
ASK_TAGGED = "send_message_to_agents_matching_tags"


@pytest.fixture
async def manager(make_agent: MakeAgent) -> AgentState:
    return await make_agent(tools=[ASK, TELL, ASK_TAGGED])


def asking(tool: str, **arguments: object) -> str:
    return f"call tool {tool} with {json.dumps(arguments)}"


@pytest.mark.parametrize("way", WAYS)
async def test_an_agent_gets_the_answer_of_another(
    client: AsyncLetta, manager: AgentState, make_agent: MakeAgent, way: Way
) -> None:
    worker = await make_agent()

    answer = await send(client, manager.id, asking(ASK, message="Where is Turin?", other_agent_id=worker.id), way)

    [(_, status, value)] = answer.returns
    assert status == "success"
    assert f"'agent_id': '{worker.id}', 'response': [" in value
    received = [one for one in await messages_of(client, worker.id) if one.message_type == "system_message"][-1]
    assert "Where is Turin?" in received.content
    assert (received.sender_id, manager.id in received.content) == (manager.id, True)
    assert (await messages_of(client, worker.id))[-1].message_type == "assistant_message"


async def test_an_agent_hands_something_over(client: AsyncLetta, manager: AgentState, make_agent: MakeAgent) -> None:
    worker = await make_agent()

    answer = await send(client, manager.id, asking(TELL, message="Note this", other_agent_id=worker.id))

    assert answer.returns[0][1] == "success"

    async def has_answered() -> bool:
        return bool((await messages_of(client, worker.id))[-1].message_type == "assistant_message")

    await eventually(has_answered)


async def test_all_agents_with_some_tags_answer(client: AsyncLetta, manager: AgentState, make_agent: MakeAgent) -> None:
    tag = f"team-{uuid.uuid4()}"
    wanted = [await make_agent(tags=[tag, "turin"]), await make_agent(tags=[tag, "paris", "old"])]
    await make_agent(tags=[tag, "rome"])
    await make_agent(tags=["turin"])

    sent = asking(ASK_TAGGED, message="Report", match_all=[tag], match_some=["turin", "paris"])
    answer = await send(client, manager.id, sent)

    entries = ast.literal_eval(answer.returns[0][2])
    assert {entry["agent_id"] for entry in entries} == {agent.id for agent in wanted}
    assert all(entry["response"] for entry in entries)


async def test_an_agent_that_is_not_there_is_an_error_return(client: AsyncLetta, manager: AgentState) -> None:
    missing = f"agent-{uuid.uuid4()}"

    answer = await send(client, manager.id, asking(ASK, message="Hello?", other_agent_id=missing))

    assert answer.returns[0][1:] == ("error", f"Error executing function {ASK}: There is no agent {missing}.")
    assert answer.stop_reason == "end_turn"


async def test_cancelling_stops_the_agent_that_was_asked(
    client: AsyncLetta, manager: AgentState, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    said = [{"role": "user", "content": f"{word} [[fake: ttft_ms=60000]]"}]
    worker = await make_agent(initial_message_sequence=said)
    asked = asking(ASK, message="Think", other_agent_id=worker.id)
    run = await client.agents.messages.create_async(manager.id, input=asked)

    async def is_asked() -> bool:
        return len(await vendors.received(word)) == 1

    await eventually(is_asked)

    await client.agents.messages.cancel(manager.id)

    children = [one async for one in client.runs.list(agent_id=worker.id)]
    assert [one.status for one in children] == ["cancelled"]
    assert (await client.runs.retrieve(run.id)).status == "cancelled"
    await vendors.wait_until_hung_up(word)


async def test_creation_can_ask_for_all_of_these_tools(make_agent: MakeAgent) -> None:
    agent = await make_agent(extra_body={"include_multi_agent_tools": True})

    assert {tool.name for tool in agent.tools or []} == {ASK, TELL, ASK_TAGGED}
