"""The functions behind the older REST operations of MCP servers, which know a server by its name."""

from functools import partial

from pydantic import TypeAdapter

from perdure.tools.v1.mcp_rest_pb2 import (
    AddNamedServerQuery,
    AddNamedServerToolQuery,
    ConnectNamedServerQuery,
    DeleteNamedServerQuery,
    ExecuteNamedServerToolQuery,
    ListNamedServersQuery,
    ListNamedServerToolsQuery,
    ResyncNamedServerQuery,
    TestNamedServerQuery,
    UpdateNamedServerQuery,
)
from services.common.caller import Caller
from services.common.rest import EVENT_STREAM, Stream
from services.contract.json_object import JsonObject
from services.contract.mcp import (
    CreateMcpServer,
    ExecutedTool,
    McpConfig,
    McpConfigChange,
    McpTool,
    NamedServer,
    Refreshed,
    TestedServer,
    ToolArguments,
    UpdateNamedServer,
)
from services.contract.tools import Tool
from services.tools.image import name_images
from services.tools.mcp.calls import McpCalls
from services.tools.mcp.rest.connecting import Connecting
from services.tools.mcp.rest.shapes import show_named
from services.tools.mcp.servers import McpServers
from services.tools.owner import Owner

_CONFIG: TypeAdapter[McpConfig] = TypeAdapter(McpConfig)


class NamedMcpRest:
    """One method per operation on /v1/tools/mcp/servers."""

    def __init__(self, servers: McpServers, calls: McpCalls, connecting: Connecting) -> None:
        self._servers = servers
        self._calls = calls
        self._connecting = connecting

    async def list_named_servers(self, caller: Caller, query: ListNamedServersQuery, body: None) -> JsonObject:
        """All servers, by name."""
        return {one.server_name: one.model_dump() for one in await self._shown(caller)}

    async def add_named_server(
        self, caller: Caller, query: AddNamedServerQuery, body: NamedServer
    ) -> list[NamedServer]:
        """Adds a server, and its tools if it can be reached."""
        await self._servers.create(
            Owner.of(caller), CreateMcpServer(server_name=body.server_name, config=_config(body))
        )
        return await self._shown(caller)

    async def update_named_server(
        self, caller: Caller, query: UpdateNamedServerQuery, body: UpdateNamedServer
    ) -> NamedServer:
        """Changes the fields that were sent."""
        server = await self._servers.get_named(caller.organization_id, query.mcp_server_name)
        change = body.stdio_config or McpConfigChange.model_validate(body.model_dump(exclude_unset=True))
        return show_named(await self._servers.update(Owner.of(caller), server, body.server_name, change))

    async def delete_named_server(self, caller: Caller, query: DeleteNamedServerQuery, body: None) -> list[NamedServer]:
        """Deletes a server and its tools; the others are left."""
        await self._servers.delete(await self._servers.get_named(caller.organization_id, query.mcp_server_name))
        return await self._shown(caller)

    async def list_named_server_tools(
        self, caller: Caller, query: ListNamedServerToolsQuery, body: None
    ) -> list[McpTool]:
        """What a server offers."""
        server = await self._servers.get_named(caller.organization_id, query.mcp_server_name)
        return await self._servers.offered(server)

    async def resync_named_server(self, caller: Caller, query: ResyncNamedServerQuery, body: None) -> Refreshed:
        """Makes the registered tools what the server offers now."""
        server = await self._servers.get_named(caller.organization_id, query.mcp_server_name)
        return await self._servers.refresh(Owner.of(caller), server)

    async def add_named_server_tool(self, caller: Caller, query: AddNamedServerToolQuery, body: None) -> Tool:
        """Registers one tool."""
        server = await self._servers.get_named(caller.organization_id, query.mcp_server_name)
        return await self._servers.register(Owner.of(caller), server, query.mcp_tool_name)

    async def test_named_server(self, caller: Caller, query: TestNamedServerQuery, body: NamedServer) -> TestedServer:
        """Connects to a server that is not stored."""
        server = await self._servers.unsaved(Owner.of(caller), body.server_name, _config(body))
        return TestedServer(tools=await self._servers.probe(server))

    async def connect_named_server(self, caller: Caller, query: ConnectNamedServerQuery, body: NamedServer) -> Stream:
        """Tells how connecting to a server that is not stored goes."""
        server = await self._servers.unsaved(Owner.of(caller), body.server_name, _config(body))
        return Stream(EVENT_STREAM, self._connecting.events(server, partial(self._servers.probe, server)))

    async def execute_named_server_tool(
        self, caller: Caller, query: ExecuteNamedServerToolQuery, body: ToolArguments
    ) -> ExecutedTool:
        """Runs a tool, registered or not."""
        server = await self._servers.get_named(caller.organization_id, query.mcp_server_name)
        result = await self._calls.call_named(server, query.tool_name, body.args, {})
        return ExecutedTool(result=name_images(result.text, result.images), success=not result.is_error)

    async def _shown(self, caller: Caller) -> list[NamedServer]:
        return [show_named(one) for one in await self._servers.list_servers(caller.organization_id)]


def _config(server: NamedServer) -> McpConfig:
    return _CONFIG.validate_python({**server.model_dump(), "mcp_server_type": server.type})
