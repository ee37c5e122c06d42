"""Tools of MCP servers, from the SDK to the server."""

import json
from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta, NotFoundError

from tests.e2e.conftest import MakeAgent
from tests.tools.mcp.probe import serving, stdio_config


async def test_an_agent_uses_a_tool_of_a_server(client: AsyncLetta, make_agent: MakeAgent, word: str) -> None:
    server = await client.mcp_servers.create(server_name=word, config=_stdio())
    assert server.id
    tools = {tool.name: tool for tool in await client.mcp_servers.tools.list(server.id)}
    agent = await make_agent("perdure/echo", tool_ids=[tools["echo"].id])

    said = f"call tool echo with {json.dumps({'text': word})}"
    answer = await client.agents.messages.create(agent.id, input=said)
    run = await client.mcp_servers.tools.run(tools["add"].id, mcp_server_id=server.id, args={"a": 2, "b": 2})
    await client.mcp_servers.delete(server.id)
    left = await client.agents.retrieve(agent.id, include=["agent.tools"])

    returned = next(message for message in answer.messages if message.message_type == "tool_return_message")
    assert (returned.tool_return, returned.status) == (f"Echo: {word}", "success")
    assert (run.status, run.func_return) == ("success", "4")
    assert left.tools == []
    with pytest.raises(NotFoundError):
        await client.mcp_servers.retrieve(server.id)


async def test_connecting_is_told_as_events(http: httpx.AsyncClient, word: str) -> None:
    async with serving("streamable_http") as config:
        named = {"server_name": word, "type": "streamable_http", "server_url": config["server_url"]}
        stored = (await http.post("/v1/mcp-servers/", json={"server_name": word, "config": config})).json()

        unsaved = await http.post("/v1/tools/mcp/servers/connect", json=named)
        saved = await http.get(f"/v1/mcp-servers/connect/{stored['id']}")
    gone = await http.get(f"/v1/mcp-servers/connect/{stored['id']}")
    deleted = await http.delete(f"/v1/mcp-servers/{stored['id']}")

    for answer in (unsaved, saved):
        attempt, success = _events(answer)
        assert attempt == {"event": "connection_attempt", "server_name": word}
        assert (success["event"], success["tools"][0]["name"]) == ("success", "echo")
    assert [event["event"] for event in _events(gone)] == ["connection_attempt", "error"]
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await http.get(f"/v1/mcp-servers/{stored['id']}")).status_code == 404  # the connection is still good


async def test_older_routes_do_not_shadow_each_other(http: httpx.AsyncClient, word: str) -> None:
    servers = "/v1/tools/mcp/servers"
    added = await http.put(servers, json={**_stdio(), "type": "stdio", "server_name": word})
    answers = [
        await http.get(f"{servers}/{word}/tools"),
        await http.post(f"{servers}/{word}/resync"),
        await http.post(f"{servers}/{word}/echo"),
        await http.post(f"{servers}/{word}/tools/echo/execute", json={"args": {"text": "hi"}}),
        await http.post(f"{servers}/test", json={**_stdio(), "server_name": word}),
        await http.delete(f"{servers}/{word}"),
    ]

    tools, resynced, registered, executed, tested, left = (answer.json() for answer in answers)
    assert added.json()[-1]["server_name"] == word
    assert tools[0]["name"] == "echo"
    assert resynced["added"] == []
    assert registered["tool_type"] == "external_mcp"
    assert executed == {"result": "Echo: hi", "success": True}
    assert tested["status"] == "success", tested
    assert word not in [server["server_name"] for server in left]


def _stdio() -> Any:  # Any: as the SDK types it
    return stdio_config()


def _events(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
