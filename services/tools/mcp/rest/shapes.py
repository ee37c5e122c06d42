"""MCP servers as the public API shows them."""

from pydantic import TypeAdapter

from services.contract.json_object import JsonObject
from services.contract.mcp import McpServer, NamedServer
from services.tools.mcp.server import Server

_SERVER: TypeAdapter[McpServer] = TypeAdapter(McpServer)
_NAMED: TypeAdapter[NamedServer] = TypeAdapter(NamedServer)


def show_server(server: Server) -> McpServer:
    """A server, its config at the top level."""
    return _SERVER.validate_python({**server.config.model_dump(), "id": server.id, "server_name": server.name})


def show_named(server: Server) -> NamedServer:
    """A server as the older routes show it: known by its name."""
    config: JsonObject = server.config.model_dump()
    return _NAMED.validate_python({**config, "type": config["mcp_server_type"], "server_name": server.name})
