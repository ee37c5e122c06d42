"""Servers that run for a module, and calls of their tools as the turn loop makes them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import ToolReturn
from perdure.tools.v1.tool_service_pb2 import ExecuteRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.caller import DEFAULT_ORGANIZATION_ID
from tests.tools.conftest import TIMEOUT_S, Api
from tests.tools.mcp.probe import serving, stdio_config

Json = dict[str, Any]
Execute = Callable[..., Awaitable[ToolReturn]]
AddServer = Callable[..., Awaitable[Json]]


@pytest.fixture(scope="module", params=["stdio", "sse", "streamable_http"])
async def config(request: pytest.FixtureRequest) -> AsyncIterator[Json]:
    """How to reach a server, each way."""
    if request.param == "stdio":
        yield stdio_config()
    else:
        async with serving(request.param) as reached:
            yield reached


@pytest.fixture
async def add_server(api: Api) -> AsyncIterator[AddServer]:
    """Adds servers; deletes them after the test."""
    added: list[Json] = []

    async def add(config: Json, name: str = "") -> Json:
        body = {"server_name": name or f"server_{uuid4().hex[:8]}", "config": config}
        added.append(await api.call("CreateMcpServer", body))
        return added[-1]

    yield add
    for server in added:
        if any(one["id"] == server["id"] for one in await api.call("ListMcpServers")):
            await api.call("DeleteMcpServer", mcp_server_id=server["id"])


@pytest.fixture
def execute(api: Api, stub: ToolServiceStub) -> Execute:
    """Calls a tool of a server by name."""

    async def call(server: Json, name: str, variables: dict[str, str] | None = None, **arguments: Any) -> ToolReturn:
        tools = await api.call("ListMcpServerTools", mcp_server_id=server["id"])
        tool_id = next(tool["id"] for tool in tools if tool["name"].endswith(name))
        request = ExecuteRequest(
            organization_id=DEFAULT_ORGANIZATION_ID,
            tool_id=tool_id,
            call_id="call_1",
            arguments=orjson.dumps(arguments).decode(),
            environment=variables or {},
        )
        return [event async for event in stub.Execute(request, timeout=TIMEOUT_S)][-1].tool_return

    return call
