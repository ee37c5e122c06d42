"""The events of connecting to a server."""

from collections.abc import AsyncGenerator, Awaitable

from services.common.errors import PerdureError
from services.contract.mcp import ConnectEvent, McpTool


async def connect_events(name: str, listing: Awaitable[list[McpTool]]) -> AsyncGenerator[bytes]:
    """That it begins, and then its tools or what went wrong, as server-sent events."""
    yield _print(ConnectEvent(event="connection_attempt", server_name=name))
    try:
        yield _print(ConnectEvent(event="success", server_name=name, tools=await listing))
    except PerdureError as exc:
        yield _print(ConnectEvent(event="error", server_name=name, message=str(exc)))


def _print(event: ConnectEvent) -> bytes:
    return b"data: " + event.model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n\n"
