"""What requests to an MCP server carry to be let in."""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Protocol

import httpx2

from services.tools.mcp.oauth.session import Grant
from services.tools.mcp.oauth.tokens import is_current
from services.tools.mcp.server import AuthorizationRequired


class Tokens(Protocol):
    """Where tokens come from."""

    async def find(self, organization_id: str, server_url: str) -> Grant | None:
        """What the organisation was granted at a server."""

    async def renew(self, organization_id: str, server_url: str, stale: str) -> Grant | None:
        """One with another token than `stale`; None when the user has to authorize us again."""


class OwnCredentials(httpx2.Auth):
    """The config names headers or a token: they are sent as they are, and a refusal is final."""

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Raises httpx2.HTTPStatusError where the server wants others; the mcp package would not say so."""
        response = yield request
        if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            response.raise_for_status()


class GrantedCredentials(httpx2.Auth):
    """The token that a user let us have, if one did; renewed when it ends or is refused."""

    def __init__(self, tokens: Tokens, organization_id: str, server_url: str) -> None:
        self._tokens = tokens
        self._server = (organization_id, server_url)
        self._grant: Grant | None = None

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Raises `AuthorizationRequired`, httpx2.HTTPStatusError."""
        grant = self._grant or await self._tokens.find(*self._server)
        if grant and not is_current(grant):
            grant = await self._tokens.renew(*self._server, grant.access_token)
        response = yield self._carrying(grant, request)
        if grant and response.status_code == HTTPStatus.UNAUTHORIZED:
            grant = await self._tokens.renew(*self._server, grant.access_token)
            if grant:
                response = yield self._carrying(grant, request)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._grant = None
            raise AuthorizationRequired("it wants to be authorized: connect to it, or give it an auth_token")
        if response.status_code == HTTPStatus.FORBIDDEN:
            response.raise_for_status()

    def _carrying(self, grant: Grant | None, request: httpx2.Request) -> httpx2.Request:
        self._grant = grant
        if grant:
            request.headers["Authorization"] = f"Bearer {grant.access_token}"
        return request
