"""The servers themselves: one shared connection and one circuit breaker each."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED
from pydantic import ValidationError

from services.contract.json_object import JsonObject
from services.contract.mcp import McpConfig, McpTool
from services.tools.mcp.breaker import Breaker, BreakerLimits
from services.tools.mcp.clients.allowed import Allowed
from services.tools.mcp.clients.connection import Connection, ConnectionLimits, Refused, SessionLost, Work
from services.tools.mcp.clients.credentials import Tokens
from services.tools.mcp.clients.failures import describe_failure
from services.tools.mcp.clients.listing import read_tool
from services.tools.mcp.clients.results import read_result
from services.tools.mcp.clients.session_answers import SESSION_LOST
from services.tools.mcp.clients.transport import open_client
from services.tools.mcp.server import AuthorizationRequired, Result, Server, ServerFailed

Answer = TypeVar("Answer")
MAX_TOOLS = 1000  # of a server; a listing that goes on and on must end
_FATAL = (CONNECTION_CLOSED, SESSION_LOST)  # of connections; other errors are a tool's answers

_Key = tuple[str, str]  # the id of a server, and how it is reached


@dataclass
class _Line:
    """What leads to a server that is reached in one way: agents with other variables have other lines to it."""

    breaker: Breaker
    connection: Connection | None = None
    broken: Connection | None = None  # whose failure was counted last: one may end many calls

    @property
    def is_needed(self) -> bool:
        """Whether it holds more than a new one would."""
        return not self.breaker.is_at_rest or bool(self.connection and not self.connection.has_ended)


class RemoteServers:
    """Connects when asked, keeps connections while they are used, and leaves alone what keeps failing."""

    def __init__(
        self, allowed: Allowed, tokens: Tokens, limits: ConnectionLimits, breaker_limits: BreakerLimits
    ) -> None:
        self._allowed = allowed
        self._tokens = tokens
        self._limits = limits
        self._breaker_limits = breaker_limits
        self._lines: dict[_Key, _Line] = {}
        self._connections: list[Connection] = []  # the retired ones, too: a process takes seconds to end

    async def check(self, config: McpConfig) -> None:
        """Raises `ServerNotAllowed`, `AddressNotAllowed` for a server that the settings forbid."""
        await self._allowed.check(config)

    async def list_tools(self, server: Server) -> list[McpTool]:
        """What it offers, soon: whoever asks waits. Raises `ServerFailed`."""
        return await self._use(server, _list_tools, within_s=self._limits.connect_s)

    async def call(self, server: Server, tool: str, arguments: JsonObject) -> Result:
        """Runs a tool. What it answers, errors included, is a result. Raises `ServerFailed`."""

        async def work(client: Client) -> Result:
            try:
                return read_result(await client.call_tool(tool, arguments))
            except MCPError as exc:
                if exc.code in _FATAL:
                    raise
                return Result(exc.message, is_error=True)
            except ValidationError as exc:
                return Result(describe_failure(exc), is_error=True)
            except RuntimeError as exc:  # an answer that differs from what the tool's output_schema says
                return Result(str(exc), is_error=True)

        return await self._use(server, work, within_s=self._limits.call_s)

    def forget(self, server_id: str) -> None:
        """Closes what is open to a server that changed or is gone."""
        for key in [key for key in self._lines if key[0] == server_id]:
            line = self._lines.pop(key)
            if line.connection:
                line.connection.retire()

    async def close(self) -> None:
        """Closes all connections."""
        await asyncio.gather(*(connection.close() for connection in self._connections))

    async def _use(self, server: Server, work: Work[Answer], *, within_s: float) -> Answer:
        line = self._line(server)
        if wait_s := line.breaker.wait_s():
            raise ServerFailed(
                f"The MCP server {server.name!r} failed several times in a row and is left alone for {wait_s:.0f} s."
            )
        try:
            return await self._attempt(line, server, work, within_s=within_s)
        except SessionLost:
            return await self._attempt(line, server, work, within_s=within_s)

    async def _attempt(self, line: _Line, server: Server, work: Work[Answer], *, within_s: float) -> Answer:
        connection = self._connection(line, server)
        try:
            answer = await connection.use(work, within_s)
        except ServerFailed as exc:
            if not isinstance(exc, AuthorizationRequired | Refused) and connection is not line.broken:
                line.breaker.failed()
                line.broken = connection
            connection.retire()
            raise
        line.breaker.succeeded()
        return answer

    def _line(self, server: Server) -> _Line:
        key = (server.id, server.config.model_dump_json())
        if key not in self._lines:
            self._lines = {known: line for known, line in self._lines.items() if line.is_needed}
            self._lines[key] = _Line(Breaker(self._breaker_limits))
        return self._lines[key]

    def _connection(self, line: _Line, server: Server) -> Connection:
        if line.connection is None or not line.connection.is_usable:
            opening = partial(open_client, server, self._allowed, self._tokens)
            line.connection = Connection(server.name, opening, self._limits)
            self._connections = [one for one in self._connections if not one.has_ended] + [line.connection]
        return line.connection


async def _list_tools(client: Client) -> list[McpTool]:
    page = await client.list_tools()
    found = page.tools
    while page.next_cursor and len(found) < MAX_TOOLS:
        page = await client.list_tools(cursor=page.next_cursor)
        found = [*found, *page.tools]
    return [read_tool(one) for one in found[:MAX_TOOLS]]
