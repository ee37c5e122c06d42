"""The MCP servers of organisations: adding, changing, asking them what they offer."""

import logging
from collections.abc import Container
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from services.common.database import Database
from services.common.errors import InvalidArgument
from services.common.ids import new_id
from services.contract.mcp import CreateMcpServer, McpConfig, McpConfigChange, McpTool, Refreshed, StdioConfig
from services.contract.tools import Tool
from services.tools.mcp.oauth.authorizing import Authorizing
from services.tools.mcp.registration import Registration, examine
from services.tools.mcp.server import Remote, Server, ServerFailed, ServerNotFound, Servers
from services.tools.mcp.templates import fill_for_listing
from services.tools.owner import Owner
from services.tools.storage import ToolNotFound

log = logging.getLogger(__name__)

_CONFIG: TypeAdapter[McpConfig] = TypeAdapter(McpConfig)
_CAN_BE_CLEARED = frozenset(("env", "auth_header", "auth_token", "custom_headers"))


class UnusableConfig(InvalidArgument):
    """The server cannot be reached like that."""

    reason = "UNUSABLE_MCP_CONFIG"


class McpServers:
    """Servers are kept whether they can be reached or not; when they can, their tools are registered."""

    def __init__(
        self,
        database: Database,
        servers: Servers,
        registration: Registration,
        *,
        remote: Remote,
        authorizing: Authorizing,
    ) -> None:
        self._database = database
        self._servers = servers
        self._registration = registration
        self._remote = remote
        self._authorizing = authorizing

    async def create(self, owner: Owner, body: CreateMcpServer) -> Server:
        """Adds a server. Raises `ServerNameTaken`, and `InvalidArgument` where such servers are not allowed."""
        await self._remote.check(body.config)
        server = Server(owner.organization_id, new_id("mcp_server"), body.server_name, 1, body.config)
        async with self._database.begin() as transaction:
            await self._servers.insert(transaction, server)
        await self._register(owner, server)
        return server

    async def update(self, owner: Owner, server: Server, name: str | None, change: McpConfigChange) -> Server:
        """Changes the fields that were sent. Raises `ServerNotFound`, `ServerNameTaken`, `UnusableConfig`."""
        await self._remote.check(_changed(server.config, change))
        async with self._database.begin() as transaction:
            current = await self._servers.get(transaction, owner.organization_id, server.id, lock=True)
            config = _changed(current.config, change)
            changed = replace(current, version=current.version + 1, name=name or current.name, config=config)
            await self._servers.update(transaction, changed)
        self._remote.forget(changed.id)
        await self._forget_unused(server)
        await self._register(owner, changed)
        return changed

    async def delete(self, server: Server) -> None:
        """Deletes a server and its tools, also from the agents that have them. Raises `ServerNotFound`."""
        await self._registration.delete_server(server)
        self._remote.forget(server.id)
        await self._forget_unused(server)

    async def get(self, organization_id: str, server_id: str) -> Server:
        """One server. Raises `ServerNotFound`."""
        async with self._database.begin() as transaction:
            return await self._servers.get(transaction, organization_id, server_id)

    async def get_named(self, organization_id: str, name: str) -> Server:
        """The server of that name. Raises `ServerNotFound`."""
        async with self._database.begin() as transaction:
            return await self._servers.get_named(transaction, organization_id, name)

    async def list_servers(self, organization_id: str) -> list[Server]:
        """All servers, the oldest first."""
        async with self._database.begin() as transaction:
            return await self._servers.list(transaction, organization_id)

    async def refresh(self, owner: Owner, server: Server) -> Refreshed:
        """Makes the registered tools what the server offers now. Raises `ServerNotFound`, `ServerFailed`."""
        return await self._registration.replace(owner, server, await self.offered(server))

    async def register(self, owner: Owner, server: Server, name: str) -> Tool:
        """Registers one tool. Raises `ServerFailed`, `ToolNotFound`."""
        for offered in await self.offered(server):
            if offered.name == name:
                return await self._registration.add(owner, server, offered)
        raise ToolNotFound(f"The MCP server {server.name!r} has no tool {name!r}.")

    async def offered(self, server: Server) -> list[McpTool]:
        """What a server offers now, its unusable tools too. Raises `ServerFailed`."""
        config = fill_for_listing(server.name, server.config)
        return [examine(one) for one in await self._remote.list_tools(replace(server, config=config))]

    async def connect(self, owner: Owner, server: Server) -> list[McpTool]:
        """What a server offers now, which is registered. Raises `ServerNotFound`, `ServerFailed`."""
        offered = await self.offered(server)
        await self._registration.replace(owner, server, offered)
        return offered

    async def unsaved(self, owner: Owner, name: str, config: McpConfig) -> Server:
        """A server that is not stored. Raises `InvalidArgument` where such servers are not allowed."""
        await self._remote.check(config)
        return Server(owner.organization_id, new_id("mcp_server"), name, 1, config)

    async def probe(self, server: Server) -> list[McpTool]:
        """What a server offers that is not stored. Raises `ServerFailed`."""
        try:
            return await self.offered(server)
        finally:
            self._remote.forget(server.id)

    async def _forget_unused(self, server: Server) -> None:
        """Forgets what the server was authorized for, unless another at the same address needs it."""
        url = _url(server)
        others = await self.list_servers(server.organization_id)
        if url and url not in map(_url, others):
            await self._authorizing.forget(server.organization_id, url)

    async def _register(self, owner: Owner, server: Server) -> None:
        try:
            await self.refresh(owner, server)
        except (ServerFailed, ServerNotFound) as exc:
            log.warning("the tools of an MCP server could not be registered: %s", exc)


def _url(server: Server) -> str:
    return "" if isinstance(server.config, StdioConfig) else server.config.server_url


def _changed(config: McpConfig, change: McpConfigChange) -> McpConfig:
    """The config with what was sent in place. null clears what a server may do without and names nothing else."""
    sent = change.model_dump(exclude_unset=True)
    if "token" in sent:
        sent["auth_token"] = sent.pop("token")
    fields = {name: value for name, value in sent.items() if value is not None or name in _CAN_BE_CLEARED}
    try:
        return _CONFIG.validate_python({**config.model_dump(), **_implied_type(config, fields), **fields})
    except ValidationError as exc:
        missing = ", ".join(".".join(map(str, problem["loc"][1:])) for problem in exc.errors())
        raise UnusableConfig(f"The server cannot be kept like that; check {missing}.") from exc


def _implied_type(config: McpConfig, fields: Container[str]) -> dict[str, str]:
    """The type that a new command or address makes of a server, unless the change names one."""
    is_stdio = isinstance(config, StdioConfig)
    if "command" in fields and not is_stdio:
        return {"mcp_server_type": "stdio"}
    if "server_url" in fields and is_stdio:
        return {"mcp_server_type": "streamable_http"}
    return {}
