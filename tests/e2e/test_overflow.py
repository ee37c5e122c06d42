"""Histories and messages that are larger than the model's window."""

import httpx
import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.events import DONE, read_stream
from tests.e2e.vendors import Vendors
from tests.e2e.ways import Way, last_run, messages_of, send

LARGE = "x" * 150_000  # characters; three of these and the rest are over the 128,000 tokens of gpt-4o-mini
IMPOSSIBLE = "Hello " * 100_000  # characters: over the window on its own


@pytest.mark.parametrize("handle", ["openai/gpt-4o-mini", "zai/glm-4.5", "local/llama-3.3-70b"])
async def test_a_history_over_the_window_is_summarised_and_the_conversation_goes_on(
    client: AsyncLetta, make_agent: MakeAgent, handle: str
) -> None:
    agent = await make_agent(handle)
    await send(client, agent.id, "Remember the word: APPLE")

    for number in range(5):
        answer = await send(client, agent.id, f"Say 'heard {number}' {LARGE}")
        assert answer.text == f"heard {number}"

    assert (await send(client, agent.id, "What word did I ask you to remember?")).text == "APPLE"
    listed = [one.content for one in await messages_of(client, agent.id) if one.message_type == "user_message"]
    assert listed[0] == "Remember the word: APPLE"
    assert sum(LARGE in str(content) for content in listed) == 5


@pytest.mark.parametrize("way", ["step", "stream_tokens"])
async def test_a_refusal_of_the_provider_is_not_seen(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str, *, way: Way
) -> None:
    await send(client, agent.id, f"Say 'heard' {LARGE}")
    await send(client, agent.id, f"Say 'heard' {LARGE}")

    answer = await send(client, agent.id, f"Say 'heard you' {word} {LARGE} {LARGE}", way)

    assert answer.kinds == ["assistant_message"]
    assert answer.text == "heard you"
    assert [one["status"] for one in await vendors.received(f"{word} x")] == [400, 200]


async def test_a_summary_is_a_message_in_the_history(client: AsyncLetta, agent: AgentState, word: str) -> None:
    await send(client, agent.id, f"Remember the word: {word}")
    for _ in range(4):
        await send(client, agent.id, f"Say 'heard' {LARGE}")

    listed = await messages_of(client, agent.id)

    assert any("system_alert" in str(one.content) for one in listed if one.message_type == "user_message")


async def test_a_summary_is_in_the_answer_when_asked_for(client: AsyncLetta, agent: AgentState) -> None:
    for _ in range(3):
        await send(client, agent.id, f"Say 'heard' {LARGE}")

    answer = await client.agents.messages.create(agent.id, input=LARGE, include_compaction_messages=True)

    assert [one.message_type for one in answer.messages] == ["summary_message", "assistant_message"]


async def test_an_impossible_message_gets_a_clean_error_and_the_next_one_an_answer(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState
) -> None:
    response = await http.post(f"/v1/agents/{agent.id}/messages", json={"input": IMPOSSIBLE})

    assert response.status_code == httpx.codes.BAD_REQUEST
    assert response.json()["detail"].startswith("CONTEXT_WINDOW_EXCEEDED")
    assert (await last_run(client, agent.id)).status == "failed"
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"


async def test_an_impossible_message_ends_a_stream_with_an_error(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState
) -> None:
    body = {"input": IMPOSSIBLE, "stream_tokens": True}
    events = await read_stream(http, f"/v1/agents/{agent.id}/messages/stream", body)

    assert [event.kind for event in events[-3:]] == ["stop_reason", "error_message", DONE]
    assert (await send(client, agent.id, "Hello", "stream_tokens")).text == "You said: Hello"
