"""Authorizations by MCP servers: what is kept of each, from the first redirect to the last token."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import BaseModel

from services.contract.json_object import JsonObject
from services.contract.mcp import SSEConfig, StreamableHTTPConfig
from services.tools.mcp.server import ServerFailed

Endpoint = SSEConfig | StreamableHTTPConfig
Status = Literal["pending", "authorized", "failed"]


class AuthorizationFailed(ServerFailed):
    """The server, or the one that gives its tokens, does not give any. The message says why."""

    reason = "MCP_AUTHORIZATION_FAILED"


class AuthorizationRefused(AuthorizationFailed):
    """The user's consent has ended: only the user can give it again."""


class Grant(BaseModel):
    """All that the steps of OAuth 2.1 need of each other, as they run in different processes. It is secret.

    `client`, `metadata`, `resource` and `tokens` are the records of RFC 7591, RFC 8414, RFC 9728 and RFC 6749.
    """

    server_url: str
    redirect_uri: str
    verifier: str = ""  # of RFC 7636; empty once it was used
    client: JsonObject
    metadata: JsonObject | None = None
    resource: JsonObject | None = None
    scope: str | None = None
    tokens: JsonObject = {}
    ends_at: datetime | None = None  # when the access token does; None: nobody said

    @property
    def access_token(self) -> str:
        """What requests carry."""
        return str(self.tokens.get("access_token", ""))

    @property
    def is_renewable(self) -> bool:
        """Whether a newer token can be had without the user."""
        return bool(self.tokens.get("refresh_token"))


@dataclass(frozen=True)
class Session:
    """One version of an authorization. `state` finds it when the user comes back."""

    organization_id: str
    id: str
    state: str
    grant: Grant
    status: Status = "pending"
    message: str = ""  # why it failed
    version: int = 1


@dataclass(frozen=True)
class Begun:
    """Where the user has to go, and what has to be known when the user comes back."""

    url: str
    state: str
    grant: Grant


class Authorization(Protocol):
    """The servers that give tokens."""

    async def begin(self, config: Endpoint, redirect_uri: str) -> Begun:
        """Finds the server's authorization server and registers there. Raises `AuthorizationFailed`."""

    async def exchange(self, grant: Grant, code: str, issuer: str) -> Grant:
        """Gets tokens for a code. Raises `AuthorizationFailed`."""

    async def renew(self, grant: Grant) -> Grant:
        """Gets newer tokens. Raises `AuthorizationFailed`, `AuthorizationRefused`."""


class Sessions(Protocol):
    """The authorizations of organisations. Pending ones are gone after a while."""

    async def insert(self, session: Session) -> None:
        """Adds one that is pending."""

    async def find(self, organization_id: str, session_id: str) -> Session | None:
        """One by its id."""

    async def find_state(self, state: str) -> Session | None:
        """One by its state, whosever it is."""

    async def find_authorized(self, organization_id: str, server_url: str) -> Session | None:
        """The one that gives the tokens for a server."""

    async def claim(self, session: Session) -> bool:
        """Whether the caller, and nobody else, may change it for half a minute; False if it is another version."""

    async def update(self, session: Session) -> None:
        """Stores the next version of what was claimed. One that is authorized takes the place of earlier ones."""

    async def delete(self, organization_id: str, server_url: str) -> None:
        """Forgets all that a server was authorized for."""
