"""Sends to a conversation that is busy: refused, in line, or in place of what it is busy with."""

import asyncio
from typing import Any

import grpc
import httpx
import pytest
from letta_client import AsyncLetta, ConflictError
from letta_client.types import AgentState

from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from perdure.runs.v1.run_service_pb2 import ON_BUSY_ENQUEUE, StartRunRequest
from perdure.runs.v1.run_service_pb2_grpc import RunServiceStub
from services.common.caller import DEFAULT_ORGANIZATION_ID, DEFAULT_USER_ID
from tests.e2e.conftest import MakeAgent
from tests.e2e.vendors import Vendors
from tests.e2e.ways import WAYS, answer_of, ended, messages_of, send

SENDERS = 100
SLOW = "[[fake: inter_token_ms=200]]"
ENQUEUE = {"on_busy": "enqueue"}


def said(text: str) -> str:
    return f"You said: {text}"


async def speaking(client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str) -> str:
    """A run that takes its time; its id."""
    text = f"Reply with 1000 words {SLOW} {word}"
    run = await client.agents.messages.create_async(agent.id, input=text)
    await vendors.wait_until_speaking(word)
    return run.id


async def test_all_who_send_at_once_are_answered_in_one_order(client: AsyncLetta, agent: AgentState) -> None:
    texts = [f"message {number}" for number in range(SENDERS)]
    sends = [
        send(client, agent.id, text, WAYS[number % len(WAYS)], extra_body=ENQUEUE) for number, text in enumerate(texts)
    ]

    answers = await asyncio.gather(*sends)

    assert [answer.text for answer in answers] == [said(text) for text in texts]
    page = await client.agents.messages.list(agent.id, limit=1000, order="asc")
    history = [str(one.content) for one in page.items if one.message_type in ("user_message", "assistant_message")]
    assert sorted(history[::2]) == sorted(texts)
    assert history[1::2] == [said(text) for text in history[::2]]


async def test_a_run_in_line_tells_its_place_and_can_be_cancelled(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    first = await speaking(client, agent, vendors, word)
    waiting = [await client.agents.messages.create_async(agent.id, input=str(n), extra_body=ENQUEUE) for n in range(2)]
    found = [await client.runs.retrieve(run.id) for run in waiting]

    cancelled = await client.agents.messages.cancel(agent.id, run_ids=[waiting[0].id])
    await client.agents.messages.cancel(agent.id, run_ids=[first])
    answer = await answer_of(client, waiting[1].id)

    assert [(run.status, (run.metadata or {})["queue_position"]) for run in found] == [("created", 1), ("created", 2)]
    assert cancelled == {waiting[0].id: "cancelled"}
    assert answer.text == said("1")
    assert (await ended(client, waiting[0].id)).status == "cancelled"


@pytest.mark.parametrize("way", WAYS)
async def test_the_current_run_is_interrupted(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str, way: Any
) -> None:
    first = await speaking(client, agent, vendors, word)

    answer = await send(client, agent.id, "Stop", way, extra_body={"on_busy": "interrupt"})

    assert answer.text == said("Stop")
    assert (await ended(client, first)).status == "cancelled"
    kinds = [message.message_type for message in await messages_of(client, agent.id)]
    assert kinds == ["system_message", "user_message", "user_message", "assistant_message"]


async def test_a_turn_that_is_rolled_back_leaves_the_context_and_stays_listed(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    first = await speaking(client, agent, vendors, word)

    answer = await send(client, agent.id, f"Forget it {word}2", extra_body={"on_busy": "rollback"})

    assert answer.text == said(f"Forget it {word}2")
    assert (await ended(client, first)).status == "cancelled"
    prompt = (await vendors.last(f"{word}2"))["body"]
    assert "1000 words" not in str(prompt)
    assert any(
        "1000 words" in str(one.content) for one in await messages_of(client, agent.id) if hasattr(one, "content")
    )


async def test_a_conversation_has_a_policy_of_its_own(client: AsyncLetta, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id, extra_body=ENQUEUE)
    texts = ["one", "two", "three"]

    streams = await asyncio.gather(
        *(client.conversations.messages.create(conversation.id, input=text, streaming=False) for text in texts)
    )
    changed = await client.conversations.update(conversation.id, extra_body={"on_busy": "reject"})

    assert len(streams) == len(texts)
    assert (changed.model_extra or {})["on_busy"] == "reject"


async def test_a_fork_keeps_the_policy(client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id, extra_body=ENQUEUE)

    fork = await http.post(f"/v1/conversations/{conversation.id}/fork")

    assert fork.json()["on_busy"] == "enqueue"


@pytest.mark.parametrize("path", ["messages", "messages/stream", "messages/async"])
async def test_another_policy_is_refused(http: httpx.AsyncClient, agent: AgentState, path: str) -> None:
    response = await http.post(f"/v1/agents/{agent.id}/{path}", json={"input": "hi", "on_busy": "panic"})

    assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert response.json()["detail"][0]["loc"][-1] == "on_busy"


async def test_without_a_policy_a_busy_conversation_refuses(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    first = await speaking(client, agent, vendors, word)

    with pytest.raises(ConflictError) as refusal:
        await client.agents.messages.create(agent.id, input="hi")

    assert first in str(refusal.value)


async def test_a_typed_caller_waits_too(
    client: AsyncLetta, channel: grpc.aio.Channel, agent: AgentState, vendors: Vendors, word: str
) -> None:
    first = await speaking(client, agent, vendors, word)
    request = StartRunRequest(
        organization_id=DEFAULT_ORGANIZATION_ID,
        user_id=DEFAULT_USER_ID,
        conversation_id=agent.id,
        input=[Message(role=ROLE_USER, parts=[Part(text="typed")])],
        on_busy=ON_BUSY_ENQUEUE,
    )

    started = await RunServiceStub(channel).StartRun(request)
    await client.agents.messages.cancel(agent.id, run_ids=[first])

    assert started.run.queue_position == 1
    assert (await answer_of(client, started.run.id)).text == said("typed")


async def test_a_deadline_hangs_up_on_the_vendor(
    http: httpx.AsyncClient, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    body = {"input": f"Reply with 1000 words {SLOW} {word}"}

    response = await http.post(f"/v1/agents/{agent.id}/messages", json=body, headers={"x-request-timeout": "8"})

    assert response.status_code == httpx.codes.GATEWAY_TIMEOUT
    assert response.json()["error"]["type"] == "deadline_exceeded"
    await vendors.wait_until_hung_up(word)
    assert (await send(client, agent.id, "And now?")).text == said("And now?")


async def test_a_deadline_that_is_none_is_refused(http: httpx.AsyncClient, agent: AgentState) -> None:
    response = await http.post(
        f"/v1/agents/{agent.id}/messages", json={"input": "hi"}, headers={"x-request-timeout": "soon"}
    )

    assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert response.json()["detail"][0]["loc"] == ["header", "x-request-timeout"]


async def test_a_key_stands_for_one_message(client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    agent = await make_agent()
    key = {"idempotency-key": f"key of {agent.id}"}
    path = f"/v1/agents/{agent.id}/messages"

    first = await http.post(path, json={"input": "once"}, headers=key)
    again = await http.post(path, json={"input": "once"}, headers=key)
    other = await http.post(path, json={"input": "other"}, headers=key)

    assert first.json()["messages"] == again.json()["messages"]
    assert other.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    kinds = [message.message_type for message in await messages_of(client, agent.id)]
    assert kinds == ["system_message", "user_message", "assistant_message"]
