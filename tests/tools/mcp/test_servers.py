"""MCP servers: what is kept of them, and the tools registered from them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.common.database import Database
from services.common.errors import AlreadyExists, InvalidArgument, NotFound, Unavailable
from services.tools.tables import mcp_servers
from tests.gateway.conftest import free_port
from tests.tools.conftest import Api, RecordingAgents
from tests.tools.mcp.conftest import AddServer, Json
from tests.tools.mcp.probe import stdio_config
from tests.tools.sources import tool_source

TOOLS = [
    "echo",
    "add",
    "greet",
    "secret",
    "count",
    "authorization",
    "refuse",
    "wait",
    "crash",
    "picture",
    "document",
    "measure",
]


def unreachable() -> Json:
    return {"mcp_server_type": "streamable_http", "server_url": f"http://127.0.0.1:{free_port()}/mcp"}


async def tools_of(api: Api, server: Json) -> list[Json]:
    listed: list[Json] = await api.call("ListMcpServerTools", mcp_server_id=server["id"])
    return listed


async def test_tools_of_a_reachable_server_are_registered(api: Api, add_server: AddServer, config: Json) -> None:
    server = await add_server(config, "probe")

    tools = await tools_of(api, server)
    echo = await api.call("GetMcpServerTool", mcp_server_id=server["id"], tool_id=tools[0]["id"])

    assert [tool["name"] for tool in tools] == TOOLS
    assert echo == await api.call("GetTool", tool_id=echo["id"])
    assert (echo["tool_type"], echo["tags"]) == ("external_mcp", ["mcp:probe"])
    assert echo["json_schema"]["description"] == "Says the text again."
    assert echo["json_schema"]["parameters"]["required"] == ["text"]


async def test_an_unreachable_server_is_kept(api: Api, add_server: AddServer) -> None:
    server = await add_server({**unreachable(), "auth_header": "X-Key", "auth_token": "t"}, "away")

    assert server == await api.call("GetMcpServer", mcp_server_id=server["id"])
    assert server["id"].startswith("mcp_server-")
    assert (server["server_name"], server["mcp_server_type"], server["auth_header"]) == (
        "away",
        "streamable_http",
        "X-Key",
    )
    assert await tools_of(api, server) == []


async def test_an_update_keeps_what_it_does_not_name(api: Api, add_server: AddServer) -> None:
    server = await add_server({**unreachable(), "auth_token": "t", "custom_headers": {"a": "b"}})
    url = unreachable()["server_url"]

    body = {"server_name": "other", "config": {"server_url": url, "custom_headers": None}}
    changed = await api.call("UpdateMcpServer", body, mcp_server_id=server["id"])

    assert changed == {**server, "server_name": "other", "server_url": url, "custom_headers": None}


async def test_a_server_can_become_one_of_another_type(api: Api, add_server: AddServer) -> None:
    server = await add_server(unreachable())

    with pytest.raises(InvalidArgument, match="command"):
        await api.call("UpdateMcpServer", {"config": {"mcp_server_type": "stdio"}}, mcp_server_id=server["id"])
    changed = await api.call("UpdateMcpServer", {"config": stdio_config()}, mcp_server_id=server["id"])

    assert changed["mcp_server_type"] == "stdio"
    assert "server_url" not in changed
    assert [tool["name"] for tool in await tools_of(api, server)] == TOOLS


async def test_a_command_or_an_address_tells_the_type(api: Api, add_server: AddServer) -> None:
    server = await add_server({**unreachable(), "mcp_server_type": "sse"})

    async def change(**config: Any) -> str:
        changed = await api.call("UpdateMcpServer", {"config": config}, mcp_server_id=server["id"])
        return str(changed["mcp_server_type"])

    moved = await change(server_url=unreachable()["server_url"])
    program = await change(command="false", args=[])
    back = await change(server_url=unreachable()["server_url"])

    assert [moved, program, back] == ["sse", "stdio", "streamable_http"]


@pytest.mark.parametrize(
    "body",
    [
        {"server_name": "x"},
        {"server_name": "", "config": stdio_config()},
        {"server_name": "x", "config": {"mcp_server_type": "carrier_pigeon", "server_url": "http://x"}},
        {"server_name": "x", "config": {"mcp_server_type": "sse", "server_url": "file:///etc/passwd"}},
    ],
)
async def test_what_cannot_be_a_server_is_refused(api: Api, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="'loc'"):
        await api.call("CreateMcpServer", body)


async def test_names_are_unique(add_server: AddServer) -> None:
    await add_server(unreachable(), "once")

    with pytest.raises(AlreadyExists):
        await add_server(unreachable(), "once")


async def test_how_a_server_is_reached_is_encrypted(database: Database, add_server: AddServer) -> None:
    server = await add_server({**unreachable(), "auth_token": "very secret"})

    async with database.begin() as transaction:
        query = select(mcp_servers.c.config).where(mcp_servers.c.id == server["id"])
        stored = (await transaction.execute(query)).scalar_one()

    assert "very secret" not in stored
    assert "127.0.0.1" not in stored


async def test_a_refresh_follows_the_server_and_tells_agents(
    api: Api, agents: RecordingAgents, add_server: AddServer, tmp_path: Path
) -> None:
    switch = tmp_path / "switch"
    server = await add_server(stdio_config(PROBE_TOOLS=str(switch)))
    echo = next(tool for tool in await tools_of(api, server) if tool["name"] == "echo")

    switch.touch()
    await api.call("UpdateMcpServer", {"config": {"args": server["args"]}}, mcp_server_id=server["id"])
    again = await api.call("RefreshMcpServer", mcp_server_id=server["id"])

    assert [tool["name"] for tool in await tools_of(api, server)] == [*TOOLS[1:], "grown"]
    assert [tool_id for told in agents.told for tool_id in told.deleted_tool_ids] == [echo["id"]]
    assert (again["added"], again["updated"], again["deleted"]) == ([], [], [])


async def test_a_changed_schema_grows_the_version(api: Api, agents: RecordingAgents, add_server: AddServer) -> None:
    server = await add_server(stdio_config())
    add = next(tool for tool in await tools_of(api, server) if tool["name"] == "add")
    await api.call("UpdateTool", {"description": "Worse."}, tool_id=add["id"])

    refreshed = await api.call("RefreshMcpServer", mcp_server_id=server["id"])

    assert refreshed["updated"] == ["add"]
    assert [tool.version for tool in agents.told[-1].changed] == [3]
    assert (await api.call("GetTool", tool_id=add["id"]))["description"] == "Adds two numbers."


async def test_names_of_other_tools_stay_theirs(api: Api, add_server: AddServer) -> None:
    own = await api.call("CreateTool", {"source_code": tool_source(name="echo")})
    first, second = await add_server(stdio_config(), "one"), await add_server(stdio_config(), "two")

    assert (await tools_of(api, first))[0]["name"] == "one_echo"
    assert [tool["name"] for tool in await tools_of(api, second)] == [f"two_{name}" for name in TOOLS]
    assert own == await api.call("GetTool", tool_id=own["id"])
    with pytest.raises(InvalidArgument, match="MCP"):
        await api.call("UpsertTool", {"source_code": tool_source(name="add")})
    await api.call("DeleteTool", tool_id=own["id"])


async def test_a_deleted_server_takes_its_tools_along(api: Api, agents: RecordingAgents, add_server: AddServer) -> None:
    server = await add_server(stdio_config())
    tools = [tool["id"] for tool in await tools_of(api, server)]

    await api.call("DeleteMcpServer", mcp_server_id=server["id"])

    assert [tool_id for told in agents.told for tool_id in told.deleted_tool_ids] == tools
    with pytest.raises(NotFound):
        await api.call("GetMcpServer", mcp_server_id=server["id"])
    with pytest.raises(NotFound):
        await api.call("GetTool", tool_id=tools[0])


@pytest.mark.parametrize("kind", ["sse", "streamable_http"])
async def test_a_refused_token_is_named(api: Api, add_server: AddServer, kind: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", port := free_port()):
        url = f"http://127.0.0.1:{port}/?key=abc"
        server = await add_server({"mcp_server_type": kind, "server_url": url, "auth_token": "old"})

        with pytest.raises(Unavailable, match="HTTP 401: it wants another auth_token") as caught:
            await api.call("RefreshMcpServer", mcp_server_id=server["id"])

    assert "abc" not in str(caught.value)


async def test_a_refresh_says_why_it_cannot_be_done(api: Api, add_server: AddServer) -> None:
    away = await add_server(unreachable())
    broken = await add_server({"command": "/nowhere/at-all", "args": []})
    silent = await add_server({"command": "true", "args": []})

    for server, words in [(away, "no connection"), (broken, "No such file"), (silent, "Connection closed")]:
        with pytest.raises(Unavailable, match=words):
            await api.call("RefreshMcpServer", mcp_server_id=server["id"])
