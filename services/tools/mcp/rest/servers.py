"""The functions behind the REST operations of MCP servers."""

import json
from functools import partial

from perdure.tools.v1.mcp_rest_pb2 import (
    ConnectMcpServerQuery,
    CreateMcpServerQuery,
    DeleteMcpServerQuery,
    GetMcpServerQuery,
    GetMcpServerToolQuery,
    ListMcpServersQuery,
    ListMcpServerToolsQuery,
    RefreshMcpServerQuery,
    RunMcpServerToolQuery,
    UpdateMcpServerQuery,
)
from services.common.caller import Caller
from services.common.rest import EVENT_STREAM, Stream
from services.contract.mcp import (
    CreateMcpServer,
    McpServer,
    Refreshed,
    ToolArguments,
    ToolExecutionResult,
    UpdateMcpServer,
)
from services.contract.tools import Tool
from services.tools.execution import Call, Execution
from services.tools.image import name_images
from services.tools.mcp.registration import Registration
from services.tools.mcp.rest.connecting import Connecting
from services.tools.mcp.rest.shapes import show_server
from services.tools.mcp.servers import McpServers
from services.tools.outcome import Outcome
from services.tools.owner import Owner


class McpRest:
    """One method per operation on /v1/mcp-servers."""

    def __init__(
        self, servers: McpServers, registration: Registration, execution: Execution, connecting: Connecting
    ) -> None:
        self._servers = servers
        self._registration = registration
        self._execution = execution
        self._connecting = connecting

    async def create_mcp_server(self, caller: Caller, query: CreateMcpServerQuery, body: CreateMcpServer) -> McpServer:
        """Adds a server, and its tools if it can be reached."""
        return show_server(await self._servers.create(Owner.of(caller), body))

    async def list_mcp_servers(self, caller: Caller, query: ListMcpServersQuery, body: None) -> list[McpServer]:
        """All servers."""
        return [show_server(one) for one in await self._servers.list_servers(caller.organization_id)]

    async def get_mcp_server(self, caller: Caller, query: GetMcpServerQuery, body: None) -> McpServer:
        """One server."""
        return show_server(await self._servers.get(caller.organization_id, query.mcp_server_id))

    async def update_mcp_server(self, caller: Caller, query: UpdateMcpServerQuery, body: UpdateMcpServer) -> McpServer:
        """Changes the fields that were sent."""
        server = await self._servers.get(caller.organization_id, query.mcp_server_id)
        return show_server(await self._servers.update(Owner.of(caller), server, body.server_name, body.config))

    async def delete_mcp_server(self, caller: Caller, query: DeleteMcpServerQuery, body: None) -> None:
        """Deletes a server and its tools."""
        await self._servers.delete(await self._servers.get(caller.organization_id, query.mcp_server_id))

    async def list_mcp_server_tools(self, caller: Caller, query: ListMcpServerToolsQuery, body: None) -> list[Tool]:
        """The tools registered from a server."""
        return await self._registration.tools_of(await self._servers.get(caller.organization_id, query.mcp_server_id))

    async def get_mcp_server_tool(self, caller: Caller, query: GetMcpServerToolQuery, body: None) -> Tool:
        """One of them."""
        server = await self._servers.get(caller.organization_id, query.mcp_server_id)
        return (await self._registration.get(server, query.tool_id)).tool

    async def run_mcp_server_tool(
        self, caller: Caller, query: RunMcpServerToolQuery, body: ToolArguments
    ) -> ToolExecutionResult:
        """Runs one of them."""
        server = await self._servers.get(caller.organization_id, query.mcp_server_id)
        stored = await self._registration.get(server, query.tool_id)
        events = self._execution.call(stored, Call(json.dumps(body.args)))
        return _result([event async for event in events if isinstance(event, Outcome)][-1])

    async def refresh_mcp_server(self, caller: Caller, query: RefreshMcpServerQuery, body: None) -> Refreshed:
        """Makes the registered tools what the server offers now."""
        server = await self._servers.get(caller.organization_id, query.mcp_server_id)
        return await self._servers.refresh(Owner.of(caller), server)

    async def connect_mcp_server(self, caller: Caller, query: ConnectMcpServerQuery, body: None) -> Stream:
        """Tells how connecting to a server goes."""
        server = await self._servers.get(caller.organization_id, query.mcp_server_id)
        listing = partial(self._servers.connect, Owner.of(caller), server)
        return Stream(EVENT_STREAM, self._connecting.events(server, listing))


def _result(outcome: Outcome) -> ToolExecutionResult:
    value = name_images(outcome.value, outcome.images)
    return ToolExecutionResult(status="error" if outcome.is_error else "success", func_return=value)
