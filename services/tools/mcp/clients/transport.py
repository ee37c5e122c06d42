"""Ways to a server: its process or its address, as the mcp package wants them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client._transport import Transport, TransportStreams
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from services.common.addresses import ForbiddenAddress, public_addresses
from services.common.errors import InvalidArgument
from services.common.public_http import PublicTransport
from services.contract.mcp import McpConfig, SSEConfig, StdioConfig, StreamableHTTPConfig
from services.tools.mcp.clients.watched_stream import WatchedStream
from services.tools.mcp.templates import has_places

AUTHORIZATION = "Authorization"
SILENCE_S = 3600.0  # seconds without a byte on a stream that stays open; deadlines of calls are finer


class ServerNotAllowed(InvalidArgument):
    """The settings forbid such a server."""

    reason = "MCP_SERVER_NOT_ALLOWED"


@dataclass(frozen=True)
class Allowed:
    """What servers may be: programs on this machine; at addresses that are not public."""

    stdio: bool = False
    private_addresses: bool = False

    async def check(self, config: McpConfig) -> None:
        """Raises `ServerNotAllowed`. What cannot be resolved or filled in now is checked when it is connected to."""
        if isinstance(config, StdioConfig):
            if not self.stdio:
                raise ServerNotAllowed(
                    "stdio servers run commands on the host; they are allowed only where PERDURE_ALLOW_STDIO_MCP=1."
                )
        elif not self.private_addresses and not has_places(config.server_url):
            await _check_address(config.server_url)


async def _check_address(url: str) -> None:
    try:
        await public_addresses(httpx2.URL(url).host)
    except ForbiddenAddress as exc:
        raise ServerNotAllowed(f"{exc}; PERDURE_ALLOW_PRIVATE_MCP=1 allows it.") from exc
    except httpx2.InvalidURL as exc:
        raise ServerNotAllowed(f"The server_url cannot be read: {exc}") from exc
    except OSError:
        return


@asynccontextmanager
async def open_client(config: McpConfig, allowed: Allowed, on_end: Callable[[], None]) -> AsyncGenerator[Client]:
    """A client of the server, connected; `on_end` hears that the server went away.

    Raises what the mcp package raises, often within exception groups.
    """
    await allowed.check(config)
    async with _transport(config, allowed) as (incoming, outgoing):
        streams = nullcontext((WatchedStream(incoming, on_end), outgoing))
        async with Client(streams, cache=None) as client:
            yield client


def _transport(config: McpConfig, allowed: Allowed) -> Transport:
    if isinstance(config, StdioConfig):
        return stdio_client(StdioServerParameters(command=config.command, args=config.args, env=config.env))
    return _http_transport(config, allowed)


@asynccontextmanager
async def _http_transport(
    config: SSEConfig | StreamableHTTPConfig, allowed: Allowed
) -> AsyncGenerator[TransportStreams]:
    http = httpx2.AsyncClient(
        headers=_headers(config),
        timeout=SILENCE_S,
        transport=httpx2.AsyncHTTPTransport() if allowed.private_addresses else PublicTransport(),
        trust_env=False,
        event_hooks={"response": [_refuse_strangers]},
    )

    def make_http(*_: object, **__: object) -> httpx2.AsyncClient:
        return http

    if isinstance(config, SSEConfig):  # it opens the client itself
        async with sse_client(config.server_url, httpx_client_factory=make_http) as streams:
            yield streams
    else:
        async with http, streamable_http_client(config.server_url, http_client=http) as streams:
            yield streams


async def _refuse_strangers(response: httpx2.Response) -> None:
    """Ends the connection where the server wants other credentials; the mcp package would not say so."""
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        response.raise_for_status()


def _headers(config: SSEConfig | StreamableHTTPConfig) -> dict[str, str]:
    """The server's own headers, and its token: as a bearer token unless it names another scheme or header."""
    headers = dict(config.custom_headers or {})
    if config.auth_token:
        name = config.auth_header or AUTHORIZATION
        is_bare = name.lower() == AUTHORIZATION.lower() and " " not in config.auth_token
        headers[name] = f"Bearer {config.auth_token}" if is_bare else config.auth_token
    return headers
