"""Requests that a client sends again, as it lost the answer."""

from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.events import open_stream, read_stream, text_of
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import answer_of, messages_of, send

AGAIN = {"x-stainless-retry-count": "1"}
MODES: list[dict[str, bool]] = [{}, {"stream_tokens": True}, {"stream_tokens": True, "background": True}]


def path(agent: AgentState, kind: str = "") -> str:
    return f"/v1/agents/{agent.id}/messages{kind}"


async def test_a_failed_turn_that_is_sent_again_runs_anew_on_the_same_input(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, vendors: Vendors, word: str
) -> None:
    body = {"input": f"Hello {word} [[fake: status=400 times=2]]"}

    failed = [(await http.post(path(agent), json=body, headers=headers)).status_code for headers in ({}, AGAIN)]
    answer = (await http.post(path(agent), json=body, headers={"x-stainless-retry-count": "2"})).json()

    assert failed == [httpx.codes.BAD_REQUEST] * 2
    assert answer["messages"][-1]["content"] == f"You said: Hello {word}"
    kinds = [message.message_type for message in await messages_of(client, agent.id)]
    assert kinds == ["system_message", "user_message", "assistant_message"]


async def test_a_turn_that_is_sent_again_while_it_runs_is_joined(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, vendors: Vendors, word: str
) -> None:
    body = {"input": f"Reply with 20 words [[fake: inter_token_ms=300]] {word}", "stream_tokens": True}
    async with open_stream(http, path(agent, "/stream"), body) as events:
        run_id = (await anext(events)).data["run_id"]
        await vendors.wait_until_speaking(word)

    again = await http.post(path(agent, "/stream"), json=body, headers=AGAIN)

    assert run_id in again.text
    assert len(await vendors.received(word)) == 1


@pytest.mark.parametrize("body", [{"messages": []}, {"messages": [{"type": "approval", "approvals": []}]}])
async def test_a_request_that_brings_nothing_is_refused(
    http: httpx.AsyncClient, agent: AgentState, body: dict[str, Any]
) -> None:
    response = await http.post(path(agent), json=body)

    assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY


async def test_answers_that_are_given_again_get_the_first_result_in_every_mode(
    client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    source = ROLL_DICE.replace("roll_dice", "roll_dice_with_leave")
    tool = await client.tools.upsert(source_code=source, default_requires_approval=True)
    agent = await make_agent(tool_ids=[tool.id])
    asked = await send(client, agent.id, 'call tool roll_dice_with_leave with {"num_sides": 16}')
    call_id = asked.only("approval_request_message").tool_calls[0].tool_call_id
    approval = {"type": "approval", "tool_call_id": call_id, "approve": True}
    body: dict[str, Any] = {"messages": [{"type": "approval", "approvals": [approval]}]}
    first = await read_stream(http, path(agent, "/stream"), {**body, "stream_tokens": True})
    run_id = first[0].data["run_id"]

    whole = (await http.post(path(agent), json=body)).json()
    streams = [await read_stream(http, path(agent, "/stream"), {**body, **mode}) for mode in MODES]
    later = (await http.post(path(agent, "/async"), json=body)).json()

    assert [one["message_type"] for one in whole["messages"]] == ["tool_return_message", "assistant_message"]
    assert {one["run_id"] for one in whole["messages"]} == {run_id}
    assert [stream[0].data["run_id"] for stream in streams] == [run_id] * len(MODES)
    assert {text_of(stream) for stream in streams} == {whole["messages"][-1]["content"]}
    assert (later["id"], later["status"]) == (run_id, "completed")
    assert (await answer_of(client, run_id)).kinds[-1] == "assistant_message"
