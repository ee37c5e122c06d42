"""Agents that use tools of MCP servers, as programs for the SDK do."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from letta_client import APIStatusError, AsyncLetta, ConflictError

from services.cli.stack import Stack
from tests.e2e.conftest import MakeAgent
from tests.e2e.test_crashes import kill
from tests.e2e.waiting import eventually
from tests.e2e.ways import WAYS, Way, send
from tests.gateway.conftest import free_port
from tests.tools.mcp.probe import serving, stdio_config
from tests.tools.mcp.protected import Protected, consent

Config = Any  # as the SDK types it: a union of TypedDicts
NOTHING: Config = {}


def calling(name: str, **arguments: Any) -> str:
    """What makes perdure/echo call a tool."""
    return f"call tool {name} with {json.dumps(arguments)}"


async def tool_ids(client: AsyncLetta, server_id: str) -> dict[str, str]:
    return {tool.name or "": tool.id for tool in await client.mcp_servers.tools.list(server_id)}


async def add(client: AsyncLetta, word: str, config: Config) -> tuple[str, dict[str, str]]:
    """The id of a new server, and its tools by the names that it gives them."""
    server = await client.mcp_servers.create(server_name=word, config=config)
    tools = await tool_ids(client, server.id or "")
    return server.id or "", {name.removeprefix(f"{word}_"): tool_id for name, tool_id in tools.items()}


async def name_of(client: AsyncLetta, tool_id: str) -> str:
    return (await client.tools.retrieve(tool_id)).name or ""


@pytest.mark.parametrize("way", WAYS)
async def test_agents_use_them_in_every_mode(client: AsyncLetta, make_agent: MakeAgent, word: str, way: Way) -> None:
    server_id, tools = await add(client, word, stdio_config())
    agent = await make_agent("perdure/echo", tool_ids=[tools["echo"]])

    answer = await send(client, agent.id, calling(await name_of(client, tools["echo"]), text=word), way)

    assert [(status, value) for _, status, value in answer.returns] == [("success", f"Echo: {word}")]
    assert answer.stop_reason == "end_turn"
    await client.mcp_servers.delete(server_id)


@pytest.mark.parametrize(
    "config",
    [
        {"mcp_server_type": "sse", "server_url": "http://127.0.0.1:{port}/sse", "auth_token": "t"},
        {
            "mcp_server_type": "streamable_http",
            "server_url": "http://127.0.0.1:{port}/mcp",
            "custom_headers": {"X-Own": "mine"},
        },
        {"mcp_server_type": "stdio", "command": "false", "args": [], "env": {"KEY": "k"}},
    ],
)
async def test_servers_are_kept_and_changed_though_they_cannot_be_reached(
    client: AsyncLetta, word: str, config: Config
) -> None:
    sent: Config = {
        key: value.format(port=free_port()) if key == "server_url" else value for key, value in config.items()
    }
    created: Any = await client.mcp_servers.create(server_name=word, config=sent)
    changed: Any = await client.mcp_servers.update(created.id, server_name=f"{word}-2", config=NOTHING)
    listed = {server.id: server for server in await client.mcp_servers.list()}

    assert {key: getattr(created, key) for key in sent} == sent
    assert changed == created.model_copy(update={"server_name": f"{word}-2"})
    assert listed[created.id] == changed == await client.mcp_servers.retrieve(created.id)
    assert await client.mcp_servers.tools.list(created.id) == []
    await client.mcp_servers.delete(created.id)


async def test_a_name_is_given_once(client: AsyncLetta, word: str) -> None:
    config: Config = {"mcp_server_type": "stdio", "command": "false", "args": []}
    server = await client.mcp_servers.create(server_name=word, config=config)

    with pytest.raises(ConflictError):
        await client.mcp_servers.create(server_name=word, config=config)

    await client.mcp_servers.delete(server.id or "")


async def test_a_refresh_reaches_the_agents(
    client: AsyncLetta, make_agent: MakeAgent, word: str, tmp_path: Path
) -> None:
    switch = tmp_path / "switch"
    port = free_port()
    async with serving("streamable_http", port, PROBE_TOOLS=str(switch)) as config:
        server_id, tools = await add(client, word, config)
    agent = await make_agent("perdure/echo", tool_ids=[tools["echo"], tools["add"]])

    switch.touch()
    async with serving("streamable_http", port, PROBE_TOOLS=str(switch)):
        refreshed: Any = await client.mcp_servers.refresh(server_id)
    left = await client.agents.retrieve(agent.id, include=["agent.tools"])

    assert [name.removeprefix(f"{word}_") for name in refreshed["added"]] == ["grown"]
    assert refreshed["deleted"] == ["echo"]
    assert [tool.id for tool in left.tools] == [tools["add"]]
    await client.mcp_servers.delete(server_id)


async def test_secrets_of_an_agent_fill_the_places_of_a_server(
    client: AsyncLetta, make_agent: MakeAgent, word: str
) -> None:
    async with serving("streamable_http") as config:
        headers = {"X-Own": "{{ OWN | nobody }}"}
        server_id, tools = await add(client, word, {**config, "auth_token": "{{TOKEN}}", "custom_headers": headers})
        name = await name_of(client, tools["authorization"])
        with_token = await make_agent("perdure/echo", tool_ids=[tools["authorization"]], secrets={"TOKEN": word})
        without = await make_agent("perdure/echo", tool_ids=[tools["authorization"]])

        let_in = await send(client, with_token.id, calling(name))
        refused = await send(client, without.id, calling(name))

    assert let_in.returns[0][1:] == ("success", f"{{'authorization': 'Bearer {word}', 'x-own': 'nobody'}}")
    assert refused.returns[0][1] == "error"
    assert "needs TOKEN" in refused.returns[0][2]
    await client.mcp_servers.delete(server_id)


async def test_images_and_errors_come_as_what_they_are(client: AsyncLetta, make_agent: MakeAgent, word: str) -> None:
    server_id, tools = await add(client, word, stdio_config())
    agent = await make_agent("perdure/echo", tool_ids=[tools["picture"], tools["refuse"]])

    picture = await send(client, agent.id, calling(await name_of(client, tools["picture"])))
    refused = await send(client, agent.id, calling(await name_of(client, tools["refuse"])))
    ran = await client.mcp_servers.tools.run(tools["picture"], mcp_server_id=server_id)
    direct: Any = await client.agents.tools.run(await name_of(client, tools["picture"]), agent_id=agent.id)

    parts: Any = picture.returns[0][2]
    assert [part.type for part in parts] == ["text", "image"]
    assert [part["type"] for part in direct.func_return] == ["text", "image"]
    assert refused.returns[0][1] == "error"
    assert (ran.status, ran.func_return) == (
        "success",
        "Look:\n[image/svg+xml, neither text nor an image]\n[image/png]",
    )
    await client.mcp_servers.delete(server_id)


async def test_calls_can_wait_for_an_approval(
    client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent, word: str
) -> None:
    server_id, tools = await add(client, word, stdio_config())
    agent = await make_agent("perdure/echo", tool_ids=[tools["echo"]])
    name = await name_of(client, tools["echo"])
    await http.patch(f"/v1/agents/{agent.id}/tools/approval/{name}", json={"requires_approval": True})

    asked = await send(client, agent.id, calling(name, text=word))
    (call_id,) = asked.waiting
    approval: Any = {"type": "approval", "approvals": [{"type": "approval", "tool_call_id": call_id, "approve": True}]}
    answer = await send(client, agent.id, [approval])

    assert asked.stop_reason == "requires_approval"
    assert answer.returns == [(call_id, "success", f"Echo: {word}")]
    await client.mcp_servers.delete(server_id)


async def test_a_user_authorizes_a_server_while_the_service_is_killed(
    stack: Stack, client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent, word: str
) -> None:
    protected = Protected()
    async with protected.serving():
        config: Config = protected.config
        server_id, none = await add(client, word, config)
        url = await _authorization_url(http, server_id)
        kill(stack, "tools")
        returned = await _come_back(http, await consent(url))
        await client.mcp_servers.refresh(server_id)
        tools = await tool_ids(client, server_id)
        agent = await make_agent("perdure/echo", tool_ids=list(tools.values()))

        answer = await send(client, agent.id, calling(next(iter(tools))))

    assert none == {}
    assert returned["status"] == "success"
    assert answer.returns[0][1:] == ("success", next(iter(protected.consents.clients)))
    await client.mcp_servers.delete(server_id)


async def _authorization_url(http: httpx.AsyncClient, server_id: str) -> str:
    async with http.stream("GET", f"/v1/mcp-servers/connect/{server_id}") as answer:
        async for line in answer.aiter_lines():
            if "authorization_url" in line:
                return str(json.loads(line.removeprefix("data: "))["url"])
    raise AssertionError("the stream ended before it told where to go")


async def _come_back(http: httpx.AsyncClient, brought: dict[str, str]) -> Any:  # Any: JSON
    """What the user's browser is told as soon as the service is back."""
    answers: list[httpx.Response] = []

    async def is_back() -> bool:
        answers.append(await http.get("/v1/tools/mcp/oauth/callback", params=brought))
        return answers[-1].status_code == httpx.codes.OK

    await eventually(is_back)
    return answers[-1].json()


async def test_a_server_must_exist(client: AsyncLetta) -> None:
    unknown = "mcp_server-00000000-0000-4000-8000-000000000000"
    tool = "tool-00000000-0000-4000-8000-000000000000"

    for request in (
        client.mcp_servers.retrieve(unknown),
        client.mcp_servers.update(unknown, config=NOTHING),
        client.mcp_servers.refresh(unknown),
        client.mcp_servers.delete(unknown),
        client.mcp_servers.tools.list(unknown),
        client.mcp_servers.tools.retrieve(tool, mcp_server_id=unknown),
        client.mcp_servers.tools.run(tool, mcp_server_id=unknown),
    ):
        with pytest.raises(APIStatusError) as caught:
            await request
        assert caught.value.status_code == 404
