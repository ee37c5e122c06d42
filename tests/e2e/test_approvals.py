"""Calls that wait for the client: to approve them or to make them itself."""

from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta, BadRequestError
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.ways import messages_of, send

CLIENT_TOOL = {
    "name": "locate",
    "description": "Where the user is.",
    "parameters": {"type": "object", "properties": {"precise": {"type": "boolean"}}, "required": []},
}


@pytest.fixture
async def asking(client: AsyncLetta, make_agent: MakeAgent) -> tuple[AgentState, str]:
    """An agent that waits for an approval, and the id of the call."""
    source = ROLL_DICE.replace("roll_dice", "roll_dice_if_allowed")
    tool = await client.tools.upsert(source_code=source, default_requires_approval=True)
    agent = await make_agent(tool_ids=[tool.id])
    answer = await send(client, agent.id, 'call tool roll_dice_if_allowed with {"num_sides": 16}')
    assert answer.stop_reason == "requires_approval"
    return agent, answer.only("approval_request_message").tool_calls[0].tool_call_id


async def respond(http: httpx.AsyncClient, agent_id: str, **approval: Any) -> Any:  # Any: JSON
    body = {"messages": [{"type": "approval", "approvals": [approval]}]}
    return (await http.post(f"/v1/agents/{agent_id}/messages", json=body)).json()


async def test_an_approved_call_is_made(http: httpx.AsyncClient, asking: tuple[AgentState, str]) -> None:
    agent, call_id = asking

    answer = await respond(http, agent.id, type="approval", tool_call_id=call_id, approve=True)

    assert [one["message_type"] for one in answer["messages"]] == ["tool_return_message", "assistant_message"]
    assert answer["messages"][0]["tool_return"] == "8"
    assert answer["stop_reason"]["stop_reason"] == "end_turn"


async def test_a_rule_makes_calls_wait_too(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id], tool_rules=[{"type": "requires_approval", "tool_name": "roll_dice"}])

    answer = await send(client, agent.id, 'call tool roll_dice with {"num_sides": 16}')

    assert answer.stop_reason == "requires_approval"
    assert answer.kinds == ["approval_request_message"]


async def test_a_denied_call_is_not_made_and_the_model_learns_why(
    http: httpx.AsyncClient, asking: tuple[AgentState, str]
) -> None:
    agent, call_id = asking

    answer = await respond(
        http, agent.id, type="approval", tool_call_id=call_id, approve=False, reason="Not on Sundays."
    )

    assert answer["messages"][0]["status"] == "error"
    assert "Not on Sundays." in answer["messages"][0]["tool_return"]
    assert "Not on Sundays." in answer["messages"][-1]["content"]


async def test_a_message_while_an_approval_is_pending_is_a_conflict(
    client: AsyncLetta, http: httpx.AsyncClient, asking: tuple[AgentState, str]
) -> None:
    agent, call_id = asking

    response = await http.post(f"/v1/agents/{agent.id}/messages", json={"input": "Hello"})

    assert response.status_code == httpx.codes.CONFLICT
    assert response.json()["detail"]["code"] == "PENDING_APPROVAL"
    assert response.headers["x-should-retry"] == "false"
    pending = (await client.agents.retrieve(agent.id, include=["agent.pending_approval"])).pending_approval
    assert pending is not None
    assert call_id in str(pending.tool_calls)


async def test_cancelling_denies_what_is_pending(client: AsyncLetta, asking: tuple[AgentState, str]) -> None:
    agent, _ = asking

    await client.agents.messages.cancel(agent.id)

    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"
    assert [one.status for one in await messages_of(client, agent.id) if one.message_type == "tool_return_message"] == [
        "error"
    ]


async def test_an_answer_to_nothing_is_refused(client: AsyncLetta, agent: AgentState) -> None:
    approval: Any = {"type": "approval", "approvals": [{"type": "approval", "tool_call_id": "call_1", "approve": True}]}

    with pytest.raises(BadRequestError, match="No tool call is currently awaiting approval"):
        await client.agents.messages.create(agent.id, messages=[approval])


async def test_the_client_makes_the_call_of_its_own_tool(http: httpx.AsyncClient, agent: AgentState) -> None:
    path = f"/v1/agents/{agent.id}/messages"
    body = {"input": 'call tool locate with {"precise": true}', "client_tools": [CLIENT_TOOL]}
    asked = (await http.post(path, json=body)).json()
    call = asked["messages"][-1]["tool_calls"][0]

    answer = await respond(
        http, agent.id, type="tool", tool_call_id=call["tool_call_id"], tool_return="At home.", status="success"
    )

    assert asked["stop_reason"]["stop_reason"] == "requires_approval"
    assert call["name"] == "locate"
    assert answer["messages"][-1]["content"] == "The outcome: At home."
