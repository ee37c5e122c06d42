"""Every method of the SDK on tools and on the tools of an agent."""

import pytest
from letta_client import AsyncLetta, BadRequestError, NotFoundError

from tests.e2e.conftest import MakeAgent
from tests.tools.sources import tool_source


async def test_a_tool_from_its_creation_to_its_end(client: AsyncLetta, word: str) -> None:
    schema: dict[str, object] = {
        "name": word,
        "description": "Does it.",
        "parameters": {"type": "object", "properties": {}},
    }
    source = tool_source("return 1", name=word)

    created = await client.tools.create(source_code=source, json_schema=schema, tags=[word], return_char_limit=100)
    upserted = await client.tools.upsert(source_code=source, description="Better.")
    updated = await client.tools.update(created.id, default_requires_approval=True, enable_parallel_execution=False)
    read = await client.tools.retrieve(created.id)
    await client.tools.delete(created.id)

    assert (created.name, created.tags, created.return_char_limit) == (word, [word], 100)
    assert (upserted.id, upserted.description) == (created.id, "Better.")
    assert updated.default_requires_approval
    assert read == updated
    with pytest.raises(NotFoundError):
        await client.tools.retrieve(created.id)


async def test_arguments_may_come_with_a_schema_of_their_own(client: AsyncLetta, word: str) -> None:
    source = tool_source("return question.text", name=word, parameters="question: 'Question'")
    question = {"type": "object", "properties": {"text": {"type": "string", "description": "What to ask."}}}
    schema: dict[str, object] = {"type": "object", "properties": {"question": question}, "required": ["question"]}

    tool = await client.tools.create(source_code=source, args_json_schema=schema)

    assert tool.json_schema is not None
    assert "What to ask." in str(tool.json_schema["parameters"])


async def test_lists_and_searches(client: AsyncLetta, word: str) -> None:
    names = [f"{word}_{number}" for number in range(3)]
    for name in names:
        await client.tools.upsert(source_code=tool_source(name=name), tags=[word])

    pages = [tool.name async for tool in client.tools.list(search=word, limit=2)]
    named = (await client.tools.list(names=names[:2], order="asc")).items
    found = await client.tools.search(query=word, tags=[word], tool_types=["custom"], limit=2)

    assert pages == names[::-1]
    assert [tool.name for tool in named] == names[:2]
    assert [one.tool.name for one in found] == names[:0:-1]
    assert found[0].combined_score >= found[1].combined_score
    with pytest.raises(BadRequestError, match="Use fts or hybrid"):
        await client.tools.search(query=word, search_mode="vector")


async def test_the_tools_of_an_agent(client: AsyncLetta, make_agent: MakeAgent, word: str) -> None:
    agent = await make_agent("perdure/echo", secrets={"TOKEN": word})
    body = "import os\nprint('out')\nreturn [number, os.environ['TOKEN']]"
    source = tool_source(body, name=word, parameters="number: int", documented="number: Any.")
    tool = await client.tools.upsert(source_code=source)
    await client.agents.tools.attach(tool.id, agent_id=agent.id)

    listed = [one.name async for one in client.agents.tools.list(agent.id)]
    ran = await client.agents.tools.run(word, agent_id=agent.id, args={"number": 2})
    failed = await client.agents.tools.run(word, agent_id=agent.id)
    await client.agents.tools.update_approval(word, agent_id=agent.id, body_requires_approval=True)
    await client.agents.tools.detach(tool.id, agent_id=agent.id)

    assert listed == [word]
    assert (ran.status, ran.func_return, ran.stdout, ran.stderr) == ("success", [2, word], ["out\n"], [])
    assert failed.status == "error"
    assert "missing 1 required positional argument: 'number'" in str(failed.func_return)
    assert (await client.agents.messages.list(agent.id)).items[-1].message_type == "system_message"
    with pytest.raises(NotFoundError):
        await client.agents.tools.run(word, agent_id=agent.id)
