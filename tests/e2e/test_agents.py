"""Agents, their memory and their tools, over REST."""

from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta, BadRequestError, NotFoundError
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.vendors import Vendors
from tests.e2e.ways import messages_of, send
from tests.tools.sources import tool_source

MISSING = "00000000-0000-4000-8000-000000000000"


async def test_an_agent_is_created_changed_and_deleted(client: AsyncLetta) -> None:
    agent = await client.agents.create(name="first", model="perdure/echo", tags=["e2e"], description="For a test.")

    await client.agents.update(agent.id, name="second", system="Be brief.", model="openai/gpt-4o")

    changed = await client.agents.retrieve(agent.id)
    assert (changed.name, changed.system, changed.model) == ("second", "Be brief.", "openai/gpt-4o")
    assert changed.description == "For a test."
    await client.agents.delete(agent.id)
    for attempt in (client.agents.retrieve, client.agents.delete):
        with pytest.raises(NotFoundError):
            await attempt(agent.id)


async def test_a_new_agent_has_the_base_tools(client: AsyncLetta) -> None:
    agent = await client.agents.create(model="perdure/echo", agent_type="letta_v1_agent")

    names = {tool.name async for tool in client.agents.tools.list(agent.id)}

    assert names == {"conversation_search", "memory_insert", "memory_replace"}
    await client.agents.delete(agent.id)


@pytest.mark.parametrize("agent_type", ["memgpt_agent", "memgpt_v2_agent", "react_agent", "workflow_agent"])
async def test_agents_of_older_types_answer(client: AsyncLetta, make_agent: MakeAgent, agent_type: Any) -> None:
    agent = await make_agent(agent_type=agent_type)

    answer = await send(client, agent.id, "Reply with the message 'Here I am'.")

    assert answer.text == "Here I am"


async def test_agents_are_found_by_tag_name_and_text(client: AsyncLetta, make_agent: MakeAgent, word: str) -> None:
    first = await make_agent(name=f"{word} One", tags=[word, "one"])
    second = await make_agent(name=f"{word} Two", tags=[word])

    async def found(**filters: Any) -> list[str]:  # Any: the SDK's filters
        return [agent.id async for agent in client.agents.list(**filters)]

    assert await found(tags=[word]) == [second.id, first.id]
    assert await found(tags=[word, "one"], match_all_tags=True) == [first.id]
    assert await found(name=f"{word} Two") == [second.id]
    assert await found(query_text=word.upper()) == [second.id, first.id]


async def test_the_sdk_pages_through_all_agents(client: AsyncLetta, make_agent: MakeAgent, word: str) -> None:
    made = [(await make_agent(tags=[word])).id for _ in range(5)]

    listed = [agent.id async for agent in client.agents.list(tags=[word], limit=2)]

    assert listed == made[::-1]


async def test_the_sdk_gets_relations_only_when_it_includes_them(
    client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    tool = await client.tools.upsert(source_code=tool_source())
    agent = await make_agent(tool_ids=[tool.id], tags=["e2e"], memory_blocks=[{"label": "human", "value": "x"}])

    bare = await client.agents.retrieve(agent.id)
    included = await client.agents.retrieve(agent.id, include=["agent.tools", "agent.tags", "agent.blocks"])
    older = (await http.get(f"/v1/agents/{agent.id}")).json()

    assert (bare.tools, bare.tags, bare.blocks) == ([], [], [])
    assert ([one.id for one in included.tools], included.tags) == ([tool.id], ["e2e"])
    assert [block.label for block in included.blocks] == ["human"]
    assert ([one["id"] for one in older["tools"]], older["tags"]) == ([tool.id], ["e2e"])


async def test_attaching_a_tool_takes_effect_with_the_next_message(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    tool = await client.tools.upsert(source_code=tool_source(name="extra"))

    for _ in range(2):  # twice changes nothing
        assert await client.agents.tools.attach(tool.id, agent_id=agent.id) is None
    await send(client, agent.id, f"Hello {word}1")
    await client.agents.tools.detach(tool.id, agent_id=agent.id)
    await send(client, agent.id, f"Hello {word}2")

    assert [one["function"]["name"] for one in (await vendors.received(f"{word}1"))[0]["body"]["tools"]] == ["extra"]
    assert not (await vendors.last(f"{word}2"))["body"].get("tools")


async def test_memory_is_in_the_prompt_and_a_change_is_seen_by_the_next_message(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    agent = await make_agent(memory_blocks=[{"label": "human", "value": f"Likes {word}a."}])
    await send(client, agent.id, "Hello")
    assert f"Likes {word}a." in str((await vendors.last(f"{word}a"))["body"]["messages"][0])

    await client.agents.blocks.update("human", agent_id=agent.id, value=f"Likes {word}b.")
    await send(client, agent.id, "Hello")

    prompt = str((await vendors.last(f"{word}b"))["body"]["messages"][0])
    assert f"Likes {word}b." in prompt
    assert f"Likes {word}a." not in prompt


async def test_a_shared_block_changes_for_all_its_agents(client: AsyncLetta, make_agent: MakeAgent) -> None:
    block = await client.blocks.create(label="shared", value="old")
    agents = [await make_agent(block_ids=[block.id]) for _ in range(2)]

    await client.blocks.update(block.id, value="new")

    for agent in agents:
        assert (await client.agents.blocks.retrieve("shared", agent_id=agent.id)).value == "new"
    assert {one.id async for one in client.blocks.agents.list(block.id)} == {agent.id for agent in agents}
    await client.agents.blocks.detach(block.id, agent_id=agents[0].id)
    assert (await client.agents.blocks.list(agents[0].id)).items == []
    await client.blocks.delete(block.id)
    assert (await client.agents.blocks.list(agents[1].id)).items == []


async def test_blocks_are_listed_oldest_first(client: AsyncLetta, word: str) -> None:
    made = [(await client.blocks.create(label=word, value=str(number))).id for number in range(3)]

    listed = [block.id async for block in client.blocks.list(label=word, limit=2)]

    assert listed == made
    for block_id in made:
        await client.blocks.delete(block_id)


async def test_resetting_empties_the_context_and_keeps_the_listed_history(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    await send(client, agent.id, "Remember the word: APPLE")

    await client.agents.messages.reset(agent.id)
    await send(client, agent.id, f"Hello {word}")

    assert "APPLE" not in str((await vendors.last(word))["body"])
    assert "APPLE" in str(await messages_of(client, agent.id))


async def test_what_is_said_comes_after_a_window_that_was_set(client: AsyncLetta, agent: AgentState) -> None:
    await send(client, agent.id, "Say 'one'")
    stored = [message.id for message in await messages_of(client, agent.id)]

    await client.agents.update(agent.id, message_ids=[*stored, *stored])
    answer = await send(client, agent.id, "Say 'two'")

    window = (await client.agents.retrieve(agent.id)).message_ids or []
    assert answer.text == "two"
    assert (window[: len(stored)], len(window)) == (stored, len(stored) + 2)


async def test_the_context_is_broken_down(client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    agent = await make_agent(memory_blocks=[{"label": "human", "value": "Likes chess."}])
    await send(client, agent.id, "Hello")

    context = (await http.get(f"/v1/agents/{agent.id}/context")).json()

    assert context["context_window_size_max"] == 128_000
    assert context["num_messages"] == 3
    assert 0 < context["context_window_size_current"] < 2_000
    assert "Likes chess." in context["core_memory"]


async def test_tags_are_those_of_living_agents(client: AsyncLetta, word: str) -> None:
    agent = await client.agents.create(model="perdure/echo", tags=[f"{word}b", f"{word}a"])
    assert await client.tags.list(query_text=word) == [f"{word}a", f"{word}b"]

    await client.agents.delete(agent.id)

    assert await client.tags.list(query_text=word) == []


async def test_agents_and_blocks_and_tools_are_counted(http: httpx.AsyncClient, agent: AgentState) -> None:
    for kind in ("agents", "blocks", "tools"):
        assert isinstance((await http.get(f"/v1/{kind}/count")).json(), int)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "openai/none"}, NotFoundError),
        ({"model": "noslash"}, BadRequestError),
        ({"tools": ["no_such_tool"]}, BadRequestError),
        ({"block_ids": [f"block-{MISSING}"]}, NotFoundError),
        ({"embedding": "openai/none"}, BadRequestError),
    ],
)
async def test_an_agent_of_unknown_parts_is_refused(
    client: AsyncLetta, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"none|noslash|no_such_tool|block-"):
        await client.agents.create(**{"model": "perdure/echo", **options})


async def test_an_agent_with_a_buffer_that_clears_itself_forgets_earlier_turns(
    client: AsyncLetta, make_agent: MakeAgent
) -> None:
    agent = await make_agent(model="openai/gpt-4o-mini", message_buffer_autoclear=True)
    asked = "What word did I ask you to remember? Reply with just the word."

    await client.agents.messages.create(agent.id, input="Remember the word: APPLE")
    answer = await client.agents.messages.create(agent.id, input=asked)

    assert "APPLE" not in str(answer.messages)
    listed = [message async for message in client.agents.messages.list(agent.id)]
    assert "APPLE" in str(listed)
