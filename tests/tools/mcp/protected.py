"""An MCP server that lets in only whom users have authorized, with an authorization server of its own.

The mcp package serves both; here is what it asks to keep. Users consent as soon as they are asked.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from tests.gateway.conftest import free_port
from tests.tools.mcp.probe import START_S, TRANSPORTS, listening

SCOPE = "tools"
LIFETIME_S = 3600


class Consents(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """Clients, codes and tokens, in memory. Refresh tokens can be used once."""

    def __init__(self) -> None:
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.lifetime_s = LIFETIME_S
        self.refreshed = 0
        self.refuses = False

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        back = str(params.redirect_uri)
        if self.refuses:
            return construct_redirect_uri(back, state=params.state, error="access_denied", error_description="Not now")
        code = secrets.token_urlsafe(16)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(back, state=params.state, code=code)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(client.client_id, authorization_code.scopes, authorization_code.resource)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        if self.refresh.pop(refresh_token.token, None) is None:
            raise TokenError("invalid_grant", "used before")
        self.refreshed += 1
        return self._issue(client.client_id, scopes, refresh_token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.access.pop(token.token, None)

    def _issue(self, client_id: str, scopes: list[str], resource: str | None) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.access[access] = AccessToken(token=access, client_id=client_id, scopes=scopes, resource=resource)
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client_id, scopes=scopes, resource=resource)
        return OAuthToken(
            access_token=access, refresh_token=refresh, expires_in=self.lifetime_s, scope=" ".join(scopes)
        )


class Protected:
    """The server, run in this process."""

    def __init__(self, kind: str = "streamable_http") -> None:
        self.consents = Consents()
        self.kind = kind
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/{TRANSPORTS[self.kind][1]}"

    @property
    def config(self) -> dict[str, Any]:
        return {"mcp_server_type": self.kind, "server_url": self.url}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = MCPServer("protected", auth_server_provider=self.consents, auth=self._settings(), log_level="ERROR")
        app.add_tool(_whoami, name="whoami", description="The client that calls.")
        asgi = app.sse_app() if self.kind == "sse" else app.streamable_http_app()
        server = uvicorn.Server(uvicorn.Config(asgi, port=self.port, log_level="error", timeout_graceful_shutdown=0))
        task = asyncio.create_task(server._serve())  # serve() would take over the signals of the tests
        async with asyncio.timeout(START_S):
            await listening(self.port)
        yield
        server.should_exit = True
        await task

    def _settings(self) -> AuthSettings:
        return AuthSettings.model_validate(
            {
                "issuer_url": self.origin,
                "resource_server_url": self.url,
                "required_scopes": [SCOPE],
                "client_registration_options": ClientRegistrationOptions(
                    enabled=True, valid_scopes=[SCOPE], default_scopes=[SCOPE]
                ),
                "validate_token_resource": True,
            }
        )


async def consent(url: str) -> dict[str, str]:
    """What the browser of a user who goes there brings back."""
    async with httpx2.AsyncClient(trust_env=False, timeout=START_S) as browser:
        answer = await browser.get(url)
    return dict(httpx2.URL(answer.headers["location"]).params)


def _whoami() -> str:
    token = get_access_token()
    return token.client_id if token else "nobody"
