"""OAuth 2.1 with authorization servers, step by step, by the mcp package's client.

https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, OAuthFlowError, PKCEParameters
from mcp.client.auth.utils import validate_authorization_response_iss
from mcp.shared.auth import (
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)
from pydantic import AnyUrl, ValidationError

from services.common.public_addresses import ForbiddenAddress
from services.contract.mcp import SSEConfig, StreamableHTTPConfig
from services.tools.mcp.clients.allowed import Allowed
from services.tools.mcp.clients.failures import describe_failure
from services.tools.mcp.clients.transport import make_http
from services.tools.mcp.oauth.session import AuthorizationFailed, AuthorizationRefused, Begun, Endpoint, Grant

STEP_S = 15.0  # seconds for one step, all its requests included
MAX_REASON = 500  # characters of what an authorization server says
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}  # any request is refused
_ACCEPT = {"accept": "application/json, text/event-stream"}


class AuthorizationServers:
    """Steps of different processes: what one has to know of another is in the grant."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed

    async def begin(self, config: Endpoint, redirect_uri: str) -> Begun:
        """Finds the server's authorization server and registers there. Raises `AuthorizationFailed`."""
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def redirect(url: str) -> None:
            asked.set_result(url)

        client = _Client(_Records(), config.server_url, redirect_uri, redirect=redirect)
        async with self._step(config) as http:
            method = "GET" if isinstance(config, SSEConfig) else "POST"
            body = None if method == "GET" else PING
            refused = http.build_request(method, config.server_url, json=body, headers=_ACCEPT)
            url = await _first(asked, http.send(refused, auth=client, stream=True))
        return client.begun(url)

    async def exchange(self, grant: Grant, code: str, issuer: str) -> Grant:
        """Gets tokens for a code. Raises `AuthorizationFailed`."""
        client = _Client.restored(grant)
        async with self._step(_endpoint(grant)) as http:
            await client.exchange(http, code, grant.verifier, issuer)
        return client.granted(grant)

    async def renew(self, grant: Grant) -> Grant:
        """Gets newer tokens. Raises `AuthorizationFailed`, `AuthorizationRefused`."""
        client = _Client.restored(grant)
        async with self._step(_endpoint(grant)) as http:
            await client.renew(http)
        return client.granted(grant)

    @asynccontextmanager
    async def _step(self, config: Endpoint) -> AsyncGenerator[httpx2.AsyncClient]:
        try:
            async with asyncio.timeout(STEP_S), make_http(config, self._allowed) as http:
                yield http
        except TimeoutError as exc:
            raise AuthorizationFailed(f"The authorization server did not answer within {STEP_S:g} s.") from exc
        except OAuthFlowError as exc:
            raise AuthorizationFailed(f"The authorization failed: {str(exc)[:MAX_REASON]}") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL, ForbiddenAddress, ValidationError, OSError) as exc:
            raise AuthorizationFailed(f"The authorization failed: {describe_failure(exc)}.") from exc


class _Records:
    """Keeps for the mcp package, as long as a step lasts, what it wants to keep."""

    def __init__(self, client: OAuthClientInformationFull | None = None, tokens: OAuthToken | None = None) -> None:
        self.client = client
        self.tokens = tokens

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class _Client(OAuthClientProvider):
    """The mcp package's client, which would do all steps at once and wait for the user in between."""

    def __init__(
        self,
        records: _Records,
        server_url: str,
        redirect_uri: str,
        redirect: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        kind = "web" if redirect_uri.startswith("https:") else "native"
        metadata = OAuthClientMetadata(
            client_name="Perdure", redirect_uris=[AnyUrl(redirect_uri)], application_type=kind
        )
        super().__init__(server_url, metadata, records, redirect, _never)
        self._records = records
        self._redirect_uri = redirect_uri

    @classmethod
    def restored(cls, grant: Grant) -> "_Client":
        """As it was when the grant was made."""
        tokens = OAuthToken.model_validate(grant.tokens) if grant.tokens else None
        records = _Records(OAuthClientInformationFull.model_validate(grant.client), tokens)
        client = cls(records, grant.server_url, grant.redirect_uri)
        context = client.context
        context.client_info, context.current_tokens = records.client, records.tokens
        context.client_metadata.scope = grant.scope
        context.oauth_metadata = OAuthMetadata.model_validate(grant.metadata) if grant.metadata else None
        if grant.resource:
            context.protected_resource_metadata = ProtectedResourceMetadata.model_validate(grant.resource)
        return client

    def begun(self, url: str) -> Begun:
        """Where the user has to go, with a state and a challenge of our own: the package keeps its to itself."""
        state, pkce = secrets.token_urlsafe(32), PKCEParameters.generate()
        context = self.context
        if context.client_info is None:
            raise AuthorizationFailed("The authorization server registered no client.")
        grant = Grant(
            server_url=context.server_url,
            redirect_uri=self._redirect_uri,
            verifier=pkce.code_verifier,
            client=context.client_info.model_dump(mode="json", exclude_none=True),
            metadata=_dump(context.oauth_metadata),
            resource=_dump(context.protected_resource_metadata),
            scope=context.client_metadata.scope,
        )
        own = {"state": state, "code_challenge": pkce.code_challenge}
        return Begun(str(httpx2.URL(url).copy_merge_params(own)), state, grant)

    def granted(self, grant: Grant) -> Grant:
        """The grant with the tokens that the last step got."""
        tokens = self._records.tokens
        if tokens is None:
            raise AuthorizationFailed("The authorization server gave no token.")
        ends_at = datetime.now(UTC) + timedelta(seconds=tokens.expires_in) if tokens.expires_in is not None else None
        kept = tokens.model_dump(mode="json", exclude_none=True)
        return grant.model_copy(update={"verifier": "", "tokens": kept, "ends_at": ends_at})

    async def exchange(self, http: httpx2.AsyncClient, code: str, verifier: str, issuer: str) -> None:
        """Raises OAuthFlowError."""
        validate_authorization_response_iss(issuer or None, self.context.oauth_metadata)
        request = await self._exchange_token_authorization_code(code, verifier)
        await self._handle_token_response(await http.send(request))

    async def renew(self, http: httpx2.AsyncClient) -> None:
        """Raises OAuthFlowError, `AuthorizationRefused`."""
        response = await http.send(await self._refresh_token())
        if response.is_server_error or response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            response.raise_for_status()
        if not await self._handle_refresh_response(response):
            raise AuthorizationRefused("The authorization has ended; connect to the server again.")


async def _never() -> AuthorizationCodeResult:
    """The user's return is none of this step's business."""
    never: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()
    return await never


async def _first(asked: asyncio.Future[str], sending: Awaitable[httpx2.Response]) -> str:
    """The address that the user is sent to. Raises what the request raises, and `AuthorizationFailed`."""
    request = asyncio.ensure_future(sending)
    try:
        waiting: set[asyncio.Future[Any]] = {asked, request}  # Any: of two types
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        response = request.result()
        await response.aclose()
    finally:
        request.cancel()
        await asyncio.wait({request})
    raise AuthorizationFailed(f"The MCP server asks for no authorization: it answered HTTP {response.status_code}.")


def _endpoint(grant: Grant) -> StreamableHTTPConfig:
    return StreamableHTTPConfig(server_url=grant.server_url)


def _dump(record: OAuthMetadata | ProtectedResourceMetadata | None) -> dict[str, object] | None:
    return record.model_dump(mode="json", exclude_none=True) if record else None
