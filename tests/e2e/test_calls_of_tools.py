"""What calls of tools get from the server: variables, the agent that calls, and what becomes of images."""

import json
from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta

from services.cli.stack import Stack
from tests.e2e.conftest import MakeAgent
from tests.e2e.vendors import Vendors
from tests.e2e.ways import send
from tests.tools.sources import tool_source

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ENVIRONMENT = tool_source("import os\nreturn ' '.join(os.environ[name] for name in ('OURS', 'BOTH', 'MINE'))")


@pytest.fixture
async def variables(http: httpx.AsyncClient, word: str) -> Any:
    """Two variables of the organisation; their values hold the word."""
    config = (await http.post("/v1/sandbox-config/local/default")).json()
    path = f"/v1/sandbox-config/{config['id']}/environment-variable"
    made = [(await http.post(path, json={"key": key, "value": f"ours-{word}"})).json() for key in ("OURS", "BOTH")]
    yield made
    for one in made:
        await http.delete(f"/v1/sandbox-config/environment-variable/{one['id']}")


@pytest.mark.usefixtures("variables")
async def test_variables_of_the_agent_come_before_those_of_the_organisation(
    client: AsyncLetta, make_agent: MakeAgent, word: str
) -> None:
    tool = await client.tools.upsert(source_code=ENVIRONMENT)
    agent = await make_agent("perdure/echo", tool_ids=[tool.id], secrets={"BOTH": f"mine-{word}", "MINE": word})

    answer = await send(client, agent.id, "call tool probe with {}")

    assert answer.only("tool_return_message").tool_return == f"ours-{word} mine-{word} {word}"


@pytest.mark.usefixtures("variables")
async def test_variables_stand_in_no_log_and_in_nothing_that_is_kept_of_a_run(
    client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent, stack: Stack, word: str
) -> None:
    tool = await client.tools.upsert(source_code=tool_source("import os\nreturn len(os.environ['OURS'])"))
    agent = await make_agent("perdure/echo", tool_ids=[tool.id], secrets={"MINE": f"mine-{word}"})

    answer = await send(client, agent.id, "call tool probe with {}")
    await http.post(f"/v1/agents/{agent.id}/tools/probe/run", json={"args": {}})
    kept = [(await http.get(f"/v1/runs/{answer.run_id}{part}")).text for part in ("", "/steps", "/messages")]
    logs = [log.read_text() for log in (stack.options.data_dir / "logs").glob("*.log")]

    assert answer.only("tool_return_message").tool_return == str(len(f"ours-{word}"))
    assert all(kept)
    assert logs
    assert not any(secret in text for text in (*kept, *logs) for secret in (f"ours-{word}", f"mine-{word}"))


async def test_a_tool_reads_and_changes_the_memory_of_its_agent(
    client: AsyncLetta, make_agent: MakeAgent, word: str
) -> None:
    body = (
        "block = agent_state.memory.get_block('human')\n"
        "agent_state.memory.update_block_value('human', block.value + ' ' + text)\n"
        "return agent_state.name + ': ' + block.value"
    )
    source = tool_source(body, parameters="agent_state: 'AgentState', text: str", documented="text: What to add.")
    tool = await client.tools.upsert(source_code=source)
    agent = await make_agent("perdure/echo", tool_ids=[tool.id], memory_blocks=[{"label": "human", "value": "Ada."}])

    answer = await send(client, agent.id, f"call tool probe with {json.dumps({'text': word})}")
    block = await client.agents.blocks.retrieve("human", agent_id=agent.id)

    assert answer.only("tool_return_message").tool_return == f"{agent.name}: Ada. {word}"
    assert block.value == f"Ada. {word}"


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"])
async def test_a_model_sees_the_images_that_a_tool_returns(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str, model: str
) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    source = tool_source(f"return [{{'type': 'text', 'text': 'A dot.'}}, {image}]", name="draw")
    tool = await client.tools.upsert(source_code=source)
    agent = await make_agent(model, tool_ids=[tool.id])

    answer = await send(client, agent.id, f"{word}: call tool draw with {{}}")

    returned = answer.only("tool_return_message").tool_returns[0]
    text, shown = returned.tool_return
    assert (text.text, shown.source.data) == ("A dot.", PIXEL)
    assert PIXEL in json.dumps((await vendors.last(word))["body"])
