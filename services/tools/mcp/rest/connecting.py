"""The events of connecting to a server, which may have to send the user to be authorized."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from services.common.errors import PerdureError
from services.contract.mcp import ConnectEvent, McpTool
from services.tools.mcp.oauth.authorizing import Authorizing
from services.tools.mcp.oauth.session import AuthorizationFailed, Session
from services.tools.mcp.server import AuthorizationRequired, Server
from services.tools.mcp.templates import fill_for_listing

KEEPALIVE_S = 15.0  # seconds; proxies close streams that are silent for longer
_KEEPALIVE = b": waiting\n\n"  # a comment; readers of events skip it

Listing = Callable[[], Awaitable[list[McpTool]]]


class Connecting:
    """Tells, as server-sent events, how connecting to a server goes."""

    def __init__(self, authorizing: Authorizing) -> None:
        self._authorizing = authorizing

    async def events(self, server: Server, listing: Listing) -> AsyncGenerator[bytes]:
        """That it begins, what the user has to do, and then the server's tools or what went wrong."""
        yield _print(ConnectEvent(event="connection_attempt", server_name=server.name))
        try:
            try:
                tools = await listing()
            except AuthorizationRequired as exc:
                async with aclosing(self._authorize(server, str(exc))) as events:
                    async for event in events:
                        yield event
                tools = await listing()
            yield _print(ConnectEvent(event="success", server_name=server.name, tools=tools))
        except PerdureError as exc:
            yield _print(ConnectEvent(event="error", server_name=server.name, message=str(exc)))

    async def _authorize(self, server: Server, why: str) -> AsyncGenerator[bytes]:
        """Ends when the user has authorized us. Raises `AuthorizationFailed`."""
        yield _print(ConnectEvent(event="oauth_required", server_name=server.name, message=why))
        opened = await self._authorizing.begin(server.organization_id, fill_for_listing(server.name, server.config))
        told = ConnectEvent(
            event="authorization_url", server_name=server.name, url=opened.url, session_id=opened.session.id
        )
        yield _print(told)
        waiting = "Open the URL to authorize; this stream goes on afterwards."
        yield _print(ConnectEvent(event="waiting_for_auth", server_name=server.name, message=waiting))
        session: Session = opened.session
        while session.status == "pending":
            session = await self._authorizing.outcome(session, KEEPALIVE_S)
            if session.status == "pending":
                yield _KEEPALIVE
        if session.status == "failed":
            raise AuthorizationFailed(session.message)


def _print(event: ConnectEvent) -> bytes:
    return b"data: " + event.model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n\n"
