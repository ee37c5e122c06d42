"""MCP servers and what they do for us."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.database import Transaction
from services.common.errors import AlreadyExists, NotFound, Unavailable
from services.contract.json_object import JsonObject
from services.contract.mcp import McpConfig, McpTool
from services.tools.image import Image


class ServerNotFound(NotFound):
    """There is no such server."""

    reason = "MCP_SERVER_NOT_FOUND"


class ServerNameTaken(AlreadyExists):
    """Another server has the name."""

    reason = "MCP_SERVER_NAME_TAKEN"


class ServerFailed(Unavailable):
    """The server cannot be reached, took too long, or went away. The message says which."""

    reason = "MCP_SERVER_FAILED"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, should_retry=False)


class AuthorizationRequired(ServerFailed):
    """The server lets nobody in whom a user has not authorized."""

    reason = "MCP_AUTHORIZATION_REQUIRED"


@dataclass(frozen=True)
class Server:
    """One version of a server; each change makes a new one."""

    organization_id: str
    id: str
    name: str
    version: int
    config: McpConfig


@dataclass(frozen=True)
class Result:
    """What a tool of a server answered."""

    text: str
    images: Sequence[Image] = ()
    is_error: bool = False


class Remote(Protocol):
    """The servers themselves."""

    async def check(self, config: McpConfig) -> None:
        """Raises `InvalidArgument` for a server that the settings forbid."""

    async def list_tools(self, server: Server) -> list[McpTool]:
        """What it offers. Raises `ServerFailed`."""

    async def call(self, server: Server, tool: str, arguments: JsonObject) -> Result:
        """Runs a tool. What it answers, errors included, is a result. Raises `ServerFailed`."""

    def forget(self, server_id: str) -> None:
        """Closes what is open to a server that changed or is gone."""


class Servers(Protocol):
    """The servers of organisations, and which tools were registered from them."""

    async def insert(self, transaction: Transaction, server: Server) -> None:
        """Adds a server. Raises `ServerNameTaken`."""

    async def update(self, transaction: Transaction, server: Server) -> None:
        """Stores a new version. Raises `ServerNameTaken`."""

    async def delete(self, transaction: Transaction, server: Server) -> None:
        """Deletes a server; its tools stay."""

    async def get(
        self, transaction: Transaction, organization_id: str, server_id: str, *, lock: bool = False
    ) -> Server:
        """One server, locked until the transaction ends when asked. Raises `ServerNotFound`."""

    async def get_named(self, transaction: Transaction, organization_id: str, name: str) -> Server:
        """The server of that name. Raises `ServerNotFound`."""

    async def list(self, transaction: Transaction, organization_id: str) -> list[Server]:
        """All servers, the oldest first."""

    async def tools_of(self, transaction: Transaction, server: Server) -> dict[str, str]:
        """The ids of the tools registered from a server, by the name that the server gives them, in their order."""

    async def link(self, transaction: Transaction, server: Server, tool_ids: Sequence[tuple[str, str]]) -> None:
        """Notes which tools were registered from a server: pairs of the server's name for a tool, and its id."""

    async def find_tool(
        self, transaction: Transaction, organization_id: str, tool_id: str
    ) -> tuple[Server, str] | None:
        """The server that a tool was registered from, and its name there."""
