"""The older routes, which know a server by its name."""

import pytest

from services.common.errors import NotFound, Unavailable
from tests.gateway.conftest import free_port
from tests.tools.conftest import Api
from tests.tools.mcp.conftest import AddServer, Json
from tests.tools.mcp.probe import stdio_config


def named(name: str) -> Json:
    config = stdio_config()
    config.pop("mcp_server_type")
    return {**config, "server_name": name, "type": "stdio"}


async def test_servers_are_added_changed_and_deleted_by_name(api: Api) -> None:
    url = f"http://127.0.0.1:{free_port()}/sse"
    added = await api.call("AddNamedServer", {"server_name": "far", "type": "sse", "server_url": url})
    changed = await api.call("UpdateNamedServer", {"token": "t"}, mcp_server_name="far")
    listed = await api.call("ListNamedServers")
    left = await api.call("DeleteNamedServer", mcp_server_name="far")

    assert [server["server_name"] for server in added] == ["far"]
    assert (changed["type"], changed["server_url"], changed["auth_token"]) == ("sse", url, "t")
    assert listed == {"far": changed}
    assert left == []


async def test_a_command_can_be_changed(api: Api) -> None:
    await api.call("AddNamedServer", named("local"))

    config = {"server_name": "local", "command": "true", "args": []}
    changed = await api.call("UpdateNamedServer", {"stdio_config": config}, mcp_server_name="local")

    assert (changed["command"], changed["args"]) == ("true", [])
    await api.call("DeleteNamedServer", mcp_server_name="local")


async def test_tools_are_listed_registered_and_executed_by_name(api: Api) -> None:
    await api.call("AddNamedServer", named("local"))

    offered = await api.call("ListNamedServerTools", mcp_server_name="local")
    registered = await api.call("AddNamedServerTool", mcp_server_name="local", mcp_tool_name="echo")
    resynced = await api.call("ResyncNamedServer", mcp_server_name="local")
    executed = await api.call(
        "ExecuteNamedServerTool", {"args": {"text": "hi"}}, mcp_server_name="local", tool_name="echo"
    )

    assert offered[0]["name"] == "echo"
    assert offered[0]["inputSchema"]["required"] == ["text"]
    assert registered["tags"] == ["mcp:local"]
    assert resynced["updated"] == []
    assert executed == {"result": "Echo: hi", "success": True}
    with pytest.raises(NotFound):
        await api.call("AddNamedServerTool", mcp_server_name="local", mcp_tool_name="nothing")
    await api.call("DeleteNamedServer", mcp_server_name="local")


async def test_a_test_stores_nothing(api: Api, add_server: AddServer) -> None:
    tested = await api.call("TestNamedServer", named("tested"))
    with pytest.raises(Unavailable):
        await api.call("TestNamedServer", {**named("tested"), "command": "/nowhere"})

    assert tested["status"] == "success"
    assert tested["tools"][0]["name"] == "echo"
    assert await api.call("ListNamedServers") == {}
