"""One active run per conversation, and one run per request."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.conftest import TIMEOUT_S
from tests.e2e.events import DONE, kinds, open_stream, read_stream, text_of
from tests.e2e.vendors import Vendors
from tests.e2e.ways import ended, last_run, send

SLOW = "Reply with 1000 words [[fake: inter_token_ms=100]]"  # far longer than any test
SECOND = {"input": "And me?"}


@pytest.fixture
async def busy(client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str) -> AsyncIterator[str]:
    """A run that is under way in the agent's own history."""
    run = await client.agents.messages.create_async(agent.id, input=f"{SLOW} {word}")
    await vendors.wait_until_speaking(word)
    yield run.id
    await client.agents.messages.cancel(agent.id)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/agents/{agent}/messages", SECOND),
        ("/v1/agents/{agent}/messages", {**SECOND, "streaming": True}),
        ("/v1/agents/{agent}/messages/stream", {**SECOND, "stream_tokens": True}),
        ("/v1/agents/{agent}/messages/stream", {**SECOND, "background": True}),
        ("/v1/agents/{agent}/messages/async", SECOND),
        ("/v1/conversations/{agent}/messages", SECOND),
        ("/v1/conversations/{agent}/messages", {**SECOND, "streaming": False}),
    ],
)
async def test_a_second_message_meets_a_conflict(
    http: httpx.AsyncClient, agent: AgentState, busy: str, *, path: str, body: dict[str, Any]
) -> None:
    response = await http.post(path.format(agent=agent.id), json=body)

    assert response.status_code == httpx.codes.CONFLICT
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["run_id"] == busy
    assert f"(run_id={busy}) is currently being processed" in response.json()["detail"]


async def test_of_two_messages_sent_at_once_one_is_taken(http: httpx.AsyncClient, agent: AgentState) -> None:
    path = f"/v1/agents/{agent.id}/messages"

    responses = await asyncio.gather(*(http.post(path, json={"input": f"{number}"}) for number in range(4)))

    statuses = sorted(response.status_code for response in responses)
    assert statuses[0] == httpx.codes.OK
    assert set(statuses) <= {httpx.codes.OK, httpx.codes.CONFLICT}
    listed = (await http.get(f"{path}?limit=100")).json()
    assert sum(one["message_type"] == "user_message" for one in listed) == statuses.count(httpx.codes.OK)


async def test_another_conversation_of_a_busy_agent_is_free(client: AsyncLetta, agent: AgentState, busy: str) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)

    stream = await client.conversations.messages.create(conversation.id, input="Hello")

    assert "assistant_message" in [event.message_type async for event in stream]
    assert (await client.runs.retrieve(busy)).status == "running"


async def test_the_lock_is_free_when_the_client_sees_the_end(client: AsyncLetta, agent: AgentState) -> None:
    for number in range(5):
        answer = await send(client, agent.id, f"Hello {number}", "stream_tokens")

        assert answer.stop_reason == "end_turn"


async def test_the_final_status_is_stored_before_the_end_is_shown(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState
) -> None:
    body = {"input": "Hello", "stream_tokens": True}
    async with open_stream(http, f"/v1/agents/{agent.id}/messages/stream", body) as events:
        async for event in events:
            if event.kind == "stop_reason":
                run = await last_run(client, agent.id)

                assert (run.status, run.stop_reason) == ("completed", "end_turn")
                assert run.completed_at


async def test_a_repeated_send_joins_the_first(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, vendors: Vendors, word: str
) -> None:
    path, body = (
        f"/v1/agents/{agent.id}/messages",
        {"input": f"Reply with 20 words [[fake: inter_token_ms=300]] {word}"},
    )
    first = asyncio.create_task(http.post(path, json=body))
    await vendors.wait_until_speaking(word)

    second = await http.post(path, json=body, headers={"x-stainless-retry-count": "1"})

    assert second.json() == (await first).json()
    assert len(await vendors.received(word)) == 1
    listed = (await http.get(path)).json()
    assert sum(one["message_type"] == "user_message" for one in listed) == 1


async def test_a_repeated_stream_joins_the_first_from_its_beginning(
    http: httpx.AsyncClient, agent: AgentState, vendors: Vendors, word: str
) -> None:
    path = f"/v1/agents/{agent.id}/messages/stream"
    body = {"input": f"Reply with 20 words [[fake: hold={word}]]", "stream_tokens": True}
    async with open_stream(http, path, body):
        await vendors.wait_until_speaking(word)  # and the client loses its connection here

    again = {"x-stainless-retry-count": "1"}
    async with (
        httpx.AsyncClient(base_url=http.base_url, headers=again, timeout=TIMEOUT_S) as sdk,
        open_stream(sdk, path, body) as joined,
    ):
        await vendors.release(word)
        events = [event async for event in joined]

    assert text_of(events) == " ".join(f"w{number}" for number in range(20))
    assert len(await vendors.received(word)) == 1


async def test_the_same_words_without_a_retry_are_a_new_message(http: httpx.AsyncClient, agent: AgentState) -> None:
    path = f"/v1/agents/{agent.id}/messages"
    first = (await http.post(path, json={"input": "Hello"})).json()

    second = (await http.post(path, json={"input": "Hello"})).json()

    assert first["messages"][0]["run_id"] != second["messages"][0]["run_id"]


@pytest.mark.parametrize("after_its_end", [False, True], ids=["while it runs", "after its end"])
async def test_a_background_send_with_a_known_otid_joins_the_first(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, word: str, *, after_its_end: bool
) -> None:
    text = f"Reply with 20 words [[fake: inter_token_ms=20]] {word}"
    body = {
        "messages": [{"role": "user", "content": text, "otid": word}],
        "stream_tokens": True,
        "background": True,
    }
    path = f"/v1/agents/{agent.id}/messages/stream"
    async with open_stream(http, path, body) as events:
        run_id = (await anext(events)).data["run_id"]
        if after_its_end:
            await ended(client, run_id)

        joined = await read_stream(http, path, body)

    assert {event.data["run_id"] for event in joined if "run_id" in event.data} == {run_id}
    assert kinds(joined)[-3:] == ["stop_reason", "usage_statistics", DONE]
    assert len((await client.runs.list(agent_id=agent.id)).items) == 1


async def test_a_run_is_found_by_the_otid_of_its_message(http: httpx.AsyncClient, agent: AgentState, word: str) -> None:
    message = {"role": "user", "content": "Hello", "otid": word}
    first = await read_stream(
        http, f"/v1/agents/{agent.id}/messages/stream", {"messages": [message], "background": True}
    )

    joined = await read_stream(http, f"/v1/conversations/{agent.id}/stream", {"otid": word})

    assert joined[0].data["run_id"] == first[0].data["run_id"]
