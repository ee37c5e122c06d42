"""Calls of tools that MCP servers run."""

from collections.abc import Mapping
from dataclasses import replace

from services.common.database import Database
from services.contract.json_object import JsonObject
from services.tools.mcp.server import Remote, Result, Server, ServerFailed, Servers
from services.tools.mcp.templates import fill_config
from services.tools.stored_tool import StoredTool


class McpCalls:
    """Whatever goes wrong with the server is the call's result: the model can go on without it."""

    def __init__(self, database: Database, servers: Servers, remote: Remote) -> None:
        self._database = database
        self._servers = servers
        self._remote = remote

    async def call(self, stored: StoredTool, arguments: JsonObject, variables: Mapping[str, str]) -> Result:
        """Runs a registered tool for an agent with these environment variables."""
        async with self._database.begin() as transaction:
            found = await self._servers.find_tool(transaction, stored.organization_id, stored.tool.id)
        if found is None:
            return Result("The MCP server of this tool was deleted.", is_error=True)
        return await self.call_named(*found, arguments, variables)

    async def call_named(
        self, server: Server, name: str, arguments: JsonObject, variables: Mapping[str, str]
    ) -> Result:
        """Runs a tool of a server, by the name that the server gives it."""
        try:
            config = fill_config(server.name, server.config, variables)
            return await self._remote.call(replace(server, config=config), name, arguments)
        except ServerFailed as exc:
            return Result(str(exc), is_error=True)
