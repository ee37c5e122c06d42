"""Compacting, forking and recompiling conversations with the SDK."""

import httpx
import orjson
import pytest
from letta_client import AsyncLetta, ConflictError, NotFoundError
from letta_client.types import AgentState

from services.common.ids import new_id
from tests.e2e.vendors import Vendors
from tests.e2e.ways import messages_of, send

SLOW = "Reply with 1000 words [[fake: inter_token_ms=100]]"  # far longer than any test


async def system_of(client: AsyncLetta, conversation_id: str) -> str:
    """The stored system message of a conversation."""
    first = (await client.conversations.messages.list(conversation_id, order="asc", limit=1)).items[0]
    assert first.message_type == "system_message"
    return first.content


async def test_an_agents_history_is_compacted_and_it_still_knows(client: AsyncLetta, agent: AgentState) -> None:
    await send(client, agent.id, "Remember the word: APPLE")
    for number in range(3):
        await send(client, agent.id, f"Say 'heard {number}'")

    answer = await client.agents.messages.compact(agent.id, compaction_settings={"mode": "all"})

    assert (answer.num_messages_before, answer.num_messages_after) == (9, 2)
    assert answer.summary
    assert (await send(client, agent.id, "What word did I ask you to remember?")).text == "APPLE"
    asked = [one.content for one in await messages_of(client, agent.id) if one.message_type == "user_message"]
    assert asked[:4] == ["Remember the word: APPLE", *(f"Say 'heard {number}'" for number in range(3))]


async def test_a_conversation_is_compacted_under_each_of_its_names(client: AsyncLetta, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    stream = await client.conversations.messages.create(conversation.id, input="Say 'one'")
    [_ async for _ in stream]
    await send(client, agent.id, "Say 'two'")

    compacted = await client.conversations.messages.compact(conversation.id, compaction_settings={"mode": "all"})
    own = await client.conversations.messages.compact("default", agent_id=agent.id, compaction_settings={"mode": "all"})
    again = await client.conversations.messages.compact(agent.id)

    assert (compacted.num_messages_before, compacted.num_messages_after) == (3, 2)
    assert (own.num_messages_before, own.num_messages_after) == (3, 2)
    assert again.summary == own.summary


async def test_an_empty_conversation_has_nothing_to_compact(http: httpx.AsyncClient, agent: AgentState) -> None:
    conversation = (await http.post("/v1/conversations/", params={"agent_id": agent.id}, json={})).json()

    answer = await http.post(f"/v1/conversations/{conversation['id']}/compact")
    unnamed = await http.post("/v1/conversations/default/compact", json={})
    missing = await http.post(f"/v1/conversations/{new_id('conv')}/compact", json={})

    assert (answer.status_code, unnamed.status_code, missing.status_code) == (400, 400, 404)


async def test_a_fork_goes_its_own_way(client: AsyncLetta, agent: AgentState) -> None:
    await send(client, agent.id, "Remember the word: APPLE")

    fork = await client.conversations.fork("default", agent_id=agent.id)
    stream = await client.conversations.messages.create(fork.id, input="What word did I ask you to remember?")
    spoken = [event.content async for event in stream if event.message_type == "assistant_message"]

    assert spoken == ["APPLE"]
    assert fork.agent_id == agent.id
    own = {one.id async for one in await client.conversations.messages.list("default", agent_id=agent.id)}
    listed = {one.id async for one in await client.conversations.messages.list(fork.id)}
    assert len(listed - own) == 3  # the system message, the question and the answer
    with pytest.raises(NotFoundError):
        await client.conversations.fork(new_id("conv"))


async def test_a_conversation_sees_a_changed_prompt_once_recompiled(client: AsyncLetta, agent: AgentState) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    stream = await client.conversations.messages.create(conversation.id, input="Say 'one'")
    [_ async for _ in stream]
    await client.agents.update(agent.id, system="A new system text.")

    tried = await client.conversations.recompile(conversation.id, dry_run=True)
    before = await system_of(client, conversation.id)
    stored = await client.conversations.recompile(conversation.id)
    after = await system_of(client, conversation.id)

    assert "A new system text." in tried
    assert "A new system text." not in before
    assert after == orjson.loads(stored)  # the SDK gives the answer as it came
    assert f"CONVERSATION_ID: {conversation.id}" in after


async def test_a_busy_history_is_not_compacted_and_can_be_forked(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    await send(client, agent.id, "Say 'one'")
    run = await client.agents.messages.create_async(agent.id, input=f"{SLOW} {word}")
    await vendors.wait_until_speaking(word)

    with pytest.raises(ConflictError):
        await client.agents.messages.compact(agent.id)
    fork = await client.conversations.fork(agent.id)

    assert fork.id.startswith("conv-")
    await client.agents.messages.cancel(agent.id, run_ids=[run.id])
