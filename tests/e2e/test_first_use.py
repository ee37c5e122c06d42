"""A fresh install, with the built-in model that needs no key."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import httpx
import pytest
from letta_client import AsyncLetta

from services.cli.stack import Stack
from tests.e2e.conftest import MakeAgent
from tests.e2e.events import DONE, kinds, read_stream, text_of
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.ways import send

ECHO = "perdure/echo"
ROOT = Path(__file__).parents[2]


async def run_example(name: str, *arguments: str) -> str:
    """What an example prints; it has to end well."""
    command = [sys.executable, str(ROOT / "examples" / name), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    return printed


async def test_the_first_example_of_the_readme_is_answered(client: AsyncLetta) -> None:
    agent = await client.agents.create(model=ECHO, memory_blocks=[{"label": "human", "value": "Likes chess."}])

    answer = await send(client, agent.id, "Hello!")

    assert answer.text == "You said: Hello!"
    await client.agents.delete(agent.id)


async def test_the_built_in_model_streams_word_by_word(make_agent: MakeAgent, http: httpx.AsyncClient) -> None:
    agent = await make_agent(ECHO)

    body = {"input": "one two three", "stream_tokens": True}
    events = await read_stream(http, f"/v1/agents/{agent.id}/messages/stream", body)

    assert kinds(events) == ["ping", "assistant_message", "stop_reason", "usage_statistics", DONE]
    assert text_of(events) == "You said: one two three"
    assert sum(event.kind == "assistant_message" for event in events) == 5


async def test_the_built_in_model_calls_a_tool_when_told(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(ECHO, tool_ids=[tool.id])

    answer = await send(client, agent.id, 'call tool roll_dice with {"num_sides": 16}')

    assert answer.kinds == ["tool_call_message", "tool_return_message", "assistant_message"]
    assert answer.only("tool_return_message").tool_return == "8"
    assert answer.text == "roll_dice returned: 8"


async def test_the_example_for_the_sdk_runs_as_it_stands(stack: Stack) -> None:
    printed = await run_example("hello.py", stack.url)

    assert "You said: Hello!" in printed
    assert "[the tool returned " in printed
    assert "Warning" not in printed


async def test_the_example_for_grpc_runs_as_it_stands(stack: Stack) -> None:
    printed = await run_example("grpc_caller.py", stack.url.removeprefix("http://"))

    assert "double(21) = 42" in printed
    assert "a vector of 256 numbers" in printed


@pytest.mark.parametrize("path", ["/v1/health", "/v1/health/"])
async def test_health_needs_no_credentials(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)

    assert response.status_code == httpx.codes.OK
    assert response.json()["status"] == "ok"


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()

    assert "post" in document["paths"]["/v1/agents/{agent_id}/messages"]


async def test_both_forms_of_credentials_are_accepted(http: httpx.AsyncClient) -> None:
    for credentials in ({"Authorization": "Bearer any"}, {"X-BARE-PASSWORD": "password any"}):
        response = await http.get("/v1/agents/count", headers=credentials)

        assert response.status_code == httpx.codes.OK
