"""Ways to a server: its process or its address, as the mcp package wants them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client._transport import TransportStreams
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from services.common.public_http import PublicTransport
from services.contract.mcp import SSEConfig, StdioConfig
from services.tools.mcp.clients.allowed import Allowed
from services.tools.mcp.clients.bounded_answers import MAX_ANSWER_BYTES, BoundedAnswers
from services.tools.mcp.clients.credentials import GrantedCredentials, OwnCredentials, Tokens
from services.tools.mcp.clients.session_answers import SessionAnswers
from services.tools.mcp.clients.stderr import logged_stderr
from services.tools.mcp.clients.watched_stream import WatchedStream
from services.tools.mcp.oauth.session import Endpoint
from services.tools.mcp.server import Server

AUTHORIZATION = "Authorization"
SILENCE_S = 3600.0  # seconds without a byte on a stream that stays open; deadlines of calls are finer


@asynccontextmanager
async def open_client(
    server: Server, allowed: Allowed, tokens: Tokens, on_end: Callable[[], None]
) -> AsyncGenerator[Client]:
    """A client of the server, connected; `on_end` hears that the server went away.

    Raises what the mcp package raises, often within exception groups, and `AuthorizationRequired`.
    """
    await allowed.check(server.config)
    async with _transport(server, allowed, tokens) as (incoming, outgoing):
        watched = WatchedStream(incoming, on_end)
        async with Client(nullcontext((watched, outgoing)), cache=None) as client:
            watched.version = client.protocol_version
            yield client


def make_http(config: Endpoint, allowed: Allowed, auth: httpx2.Auth | None = None) -> httpx2.AsyncClient:
    """An HTTP client for a server and those that it names."""
    wire = httpx2.AsyncHTTPTransport() if allowed.private_addresses else PublicTransport()
    return httpx2.AsyncClient(
        headers=_headers(config),
        auth=auth,
        timeout=SILENCE_S,
        transport=SessionAnswers(BoundedAnswers(wire)),
        trust_env=False,
    )


@asynccontextmanager
async def _transport(server: Server, allowed: Allowed, tokens: Tokens) -> AsyncGenerator[TransportStreams]:
    config = server.config
    if isinstance(config, StdioConfig):
        program = StdioServerParameters(command=config.command, args=config.args, env=config.env)
        async with logged_stderr(config.command) as stderr, stdio_client(program, errlog=stderr) as streams:
            yield streams
        return
    http = make_http(config, allowed, _credentials(server.organization_id, config, tokens))
    if isinstance(config, SSEConfig):  # it opens the client itself
        async with sse_client(config.server_url, httpx_client_factory=lambda *_, **__: http) as streams:
            yield streams
    else:
        url, most = config.server_url, MAX_ANSWER_BYTES
        async with http, streamable_http_client(url, http_client=http, max_sse_event_size=most) as streams:
            yield streams


def _credentials(organization_id: str, config: Endpoint, tokens: Tokens) -> httpx2.Auth:
    if AUTHORIZATION.lower() in map(str.lower, _headers(config)) or config.auth_token:
        return OwnCredentials()
    return GrantedCredentials(tokens, organization_id, config.server_url)


def _headers(config: Endpoint) -> dict[str, str]:
    """The server's own headers, and its token: as a bearer token unless it names another scheme or header."""
    headers = dict(config.custom_headers or {})
    if config.auth_token:
        name = config.auth_header or AUTHORIZATION
        is_bare = name.lower() == AUTHORIZATION.lower() and " " not in config.auth_token
        headers[name] = f"Bearer {config.auth_token}" if is_bare else config.auth_token
    return headers
