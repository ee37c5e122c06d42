"""Conversations: histories of one agent that know nothing of each other."""

import httpx
import pytest
from letta_client import AsyncLetta, BadRequestError, NotFoundError
from letta_client.types import AgentState

from tests.e2e.events import DONE, kinds, open_stream, read_stream, text_of
from tests.e2e.vendors import Vendors
from tests.e2e.ways import Answer, join, send

RECALL = "What word did I ask you to remember?"


async def talk(client: AsyncLetta, conversation_id: str, text: str) -> Answer:
    return join([event async for event in await client.conversations.messages.create(conversation_id, input=text)])


async def test_conversations_do_not_know_each_other(client: AsyncLetta, agent: AgentState) -> None:
    first, second = [await client.conversations.create(agent_id=agent.id) for _ in range(2)]
    await talk(client, first.id, "Remember the word: APPLE")
    await talk(client, second.id, "Remember the word: PEAR")

    assert (await talk(client, first.id, RECALL)).text == "APPLE"
    assert (await talk(client, second.id, RECALL)).text == "PEAR"
    own = await client.agents.messages.list(agent.id, conversation_id="default")
    assert [message.message_type for message in own.items] == ["system_message"]


async def test_a_conversation_gets_a_system_message_of_its_own_with_its_first_message(
    client: AsyncLetta, agent: AgentState
) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    assert conversation.in_context_message_ids == []

    await talk(client, conversation.id, "Hello")

    messages = (await client.conversations.messages.list(conversation.id)).items
    assert [one.message_type for one in messages] == ["system_message", "user_message", "assistant_message"]
    own = (await client.agents.messages.list(agent.id, conversation_id="default")).items
    assert messages[0].id != own[0].id
    in_context = (await client.conversations.retrieve(conversation.id)).in_context_message_ids
    assert in_context == [message.id for message in messages]


async def test_the_runs_of_a_conversation_are_of_a_type_of_their_own(client: AsyncLetta, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    await talk(client, conversation.id, "Hello")

    (run,) = [run async for run in client.runs.list(conversation_id=conversation.id)]

    assert run.metadata == {"run_type": "send_conversation_message"}


async def test_the_messages_of_an_agent_are_those_of_all_its_conversations(
    client: AsyncLetta, agent: AgentState
) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    answer = await talk(client, conversation.id, "Hello")

    listed = (await client.agents.messages.list(agent.id)).items

    assert answer.messages[-1].id in [message.id for message in listed]


async def test_nothing_can_be_followed_when_no_run_is_active(client: AsyncLetta, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    await talk(client, conversation.id, "Hello")

    with pytest.raises(BadRequestError, match="No active runs found"):
        await client.conversations.messages.stream(conversation.id)


async def test_the_active_run_of_a_conversation_can_be_joined(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, vendors: Vendors, word: str
) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    path = f"/v1/conversations/{conversation.id}"
    slow = {"input": f"Reply with 40 words [[fake: hold={word}]]", "stream_tokens": True}
    async with open_stream(http, f"{path}/messages", slow) as events:
        await vendors.wait_until_speaking(word)

        async with open_stream(http, f"{path}/stream", {}) as joining:
            await vendors.release(word)
            joined = [event async for event in joining]

        assert kinds(joined) == ["ping", "assistant_message", "stop_reason", "usage_statistics", DONE]
        assert text_of(joined) == text_of([event async for event in events])


@pytest.mark.parametrize("conversation", ["its id", "default"])
async def test_the_own_history_of_an_agent_is_a_conversation_too(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, conversation: str
) -> None:
    name = "default" if conversation == "default" else agent.id
    body = {"input": "Remember the word: PLUM", "agent_id": agent.id}

    events = await read_stream(http, f"/v1/conversations/{name}/messages", body)

    assert (await send(client, agent.id, RECALL)).text == "PLUM"
    assert (await client.runs.retrieve(events[0].data["run_id"])).conversation_id is None


async def test_a_conversation_answers_as_json_when_not_streaming(http: httpx.AsyncClient, agent: AgentState) -> None:
    conversation = (await http.post("/v1/conversations/", params={"agent_id": agent.id}, json={})).json()

    path = f"/v1/conversations/{conversation['id']}/messages"
    answer = (await http.post(path, json={"input": "Hello", "streaming": False})).json()

    assert answer["stop_reason"]["stop_reason"] == "end_turn"
    assert [message["message_type"] for message in answer["messages"]] == ["assistant_message"]


async def test_a_deleted_conversation_is_gone(client: AsyncLetta, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)

    await client.conversations.delete(conversation.id)

    with pytest.raises(NotFoundError):
        await client.conversations.retrieve(conversation.id)
    with pytest.raises(NotFoundError):
        await client.conversations.update(conversation.id, summary="anything")
    with pytest.raises(NotFoundError):
        await client.conversations.delete(conversation.id)


async def test_conversations_are_listed_newest_first(client: AsyncLetta, agent: AgentState) -> None:
    made = [(await client.conversations.create(agent_id=agent.id)).id for _ in range(3)]

    listed = await client.conversations.list(agent_id=agent.id)

    assert [conversation.id for conversation in listed] == made[::-1]


async def test_the_summary_of_a_conversation_can_be_changed(client: AsyncLetta, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id, summary="First")

    await client.conversations.update(conversation.id, summary="Second")

    assert (await client.conversations.retrieve(conversation.id)).summary == "Second"
