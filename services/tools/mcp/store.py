"""MCP servers in Postgres. How a server is reached is encrypted as a whole: addresses and arguments hold keys too."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.common.database import Transaction
from services.common.secrets import SecretBox
from services.contract.mcp import McpConfig
from services.tools.mcp.server import Server, ServerNameTaken, ServerNotFound
from services.tools.tables import mcp_servers, mcp_tools

_CONFIG: TypeAdapter[McpConfig] = TypeAdapter(McpConfig)
_READ = select(
    mcp_servers.c.organization_id, mcp_servers.c.id, mcp_servers.c.name, mcp_servers.c.version, mcp_servers.c.config
)
_FIND_TOOL = _READ.add_columns(mcp_tools.c.remote_name).join(mcp_tools)


class PostgresServers:
    """MCP servers of organisations, in the transaction that is given. One statement each."""

    def __init__(self, secrets: SecretBox) -> None:
        self._secrets = secrets

    async def insert(self, transaction: Transaction, server: Server) -> None:
        """Adds a server. Raises `ServerNameTaken`."""
        values = {**self._columns(server), "id": server.id, "organization_id": server.organization_id}
        try:
            await transaction.execute(insert(mcp_servers).values(values))
        except IntegrityError as exc:
            raise _name_taken(server) from exc

    async def update(self, transaction: Transaction, server: Server) -> None:
        """Stores a new version. Raises `ServerNameTaken`."""
        statement = update(mcp_servers).where(_is(server)).values(**self._columns(server), updated_at=func.now())
        try:
            await transaction.execute(statement)
        except IntegrityError as exc:
            raise _name_taken(server) from exc

    async def delete(self, transaction: Transaction, server: Server) -> None:
        """Deletes a server; its tools stay."""
        await transaction.execute(delete(mcp_servers).where(_is(server)))

    async def get(
        self, transaction: Transaction, organization_id: str, server_id: str, *, lock: bool = False
    ) -> Server:
        """One server, locked until the transaction ends when asked. Raises `ServerNotFound`."""
        statement = _READ.where(_owned(organization_id), mcp_servers.c.id == server_id)
        row = (await transaction.execute(statement.with_for_update() if lock else statement)).first()
        if row is None:
            raise ServerNotFound(f"The MCP server {server_id} does not exist.")
        return self._server(row)

    async def get_named(self, transaction: Transaction, organization_id: str, name: str) -> Server:
        """The server of that name. Raises `ServerNotFound`."""
        statement = _READ.where(_owned(organization_id), mcp_servers.c.name == name)
        row = (await transaction.execute(statement)).first()
        if row is None:
            raise ServerNotFound(f"There is no MCP server with the name {name!r}.")
        return self._server(row)

    async def list(self, transaction: Transaction, organization_id: str) -> list[Server]:
        """All servers, the oldest first."""
        statement = _READ.where(_owned(organization_id)).order_by(mcp_servers.c.position)
        return [self._server(row) for row in await transaction.execute(statement)]

    async def tools_of(self, transaction: Transaction, server: Server) -> dict[str, str]:
        """The ids of the tools registered from a server, by the name that the server gives them, in their order."""
        statement = select(mcp_tools.c.remote_name, mcp_tools.c.tool_id).where(
            mcp_tools.c.organization_id == server.organization_id, mcp_tools.c.server_id == server.id
        )
        rows = await transaction.execute(statement.order_by(mcp_tools.c.position))
        return {row.remote_name: row.tool_id for row in rows}

    async def link(self, transaction: Transaction, server: Server, tool_ids: Sequence[tuple[str, str]]) -> None:
        """Notes which tools were registered from a server: pairs of the server's name for a tool, and its id."""
        of_server = {"organization_id": server.organization_id, "server_id": server.id}
        rows = [{**of_server, "remote_name": name, "tool_id": tool_id} for name, tool_id in tool_ids]
        await transaction.execute(insert(mcp_tools).values(rows))

    async def find_tool(
        self, transaction: Transaction, organization_id: str, tool_id: str
    ) -> tuple[Server, str] | None:
        """The server that a tool was registered from, and its name there."""
        statement = _FIND_TOOL.where(_owned(organization_id), mcp_tools.c.tool_id == tool_id)
        row = (await transaction.execute(statement)).first()
        return (self._server(row), row.remote_name) if row else None

    def _columns(self, server: Server) -> dict[str, Any]:  # Any: the values of the columns
        config = self._secrets.encrypt(server.config.model_dump_json())
        return {"name": server.name, "version": server.version, "config": config}

    def _server(self, row: Any) -> Server:  # Any: a row of _READ
        config = _CONFIG.validate_json(self._secrets.decrypt(row.config))
        return Server(row.organization_id, row.id, row.name, row.version, config)


def _owned(organization_id: str) -> ColumnElement[bool]:
    return mcp_servers.c.organization_id == organization_id


def _is(server: Server) -> ColumnElement[bool]:
    return _owned(server.organization_id) & (mcp_servers.c.id == server.id)


def _name_taken(server: Server) -> ServerNameTaken:
    return ServerNameTaken(f"There is another MCP server with the name {server.name!r}.")
