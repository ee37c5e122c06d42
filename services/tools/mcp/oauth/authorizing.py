"""Letting users authorize us: from the redirect to their return, which may meet another process."""

import asyncio
import time
from dataclasses import dataclass, replace

from services.common.ids import new_id
from services.contract.mcp import McpConfig, StdioConfig
from services.tools.mcp.oauth.session import (
    Authorization,
    AuthorizationFailed,
    Grant,
    Session,
    Sessions,
)

CALLBACK_PATH = "/v1/tools/mcp/oauth/callback"
POLL_S = 0.3  # seconds between two looks at a session; the user may return to another process


@dataclass(frozen=True)
class Redirect:
    """What the authorization server had the user's browser bring along."""

    state: str
    code: str = ""
    error: str = ""
    error_description: str = ""
    issuer: str = ""  # RFC 9207


@dataclass(frozen=True)
class Opened:
    """A session, and where its user has to go."""

    session: Session
    url: str


class Authorizing:
    """Nothing of it is kept in memory: sessions survive restarts."""

    def __init__(self, sessions: Sessions, authorization: Authorization, public_url: str) -> None:
        self._sessions = sessions
        self._authorization = authorization
        self._redirect_uri = f"{public_url.rstrip('/')}{CALLBACK_PATH}"

    async def begin(self, organization_id: str, config: McpConfig) -> Opened:
        """Opens a session. Raises `AuthorizationFailed`."""
        if isinstance(config, StdioConfig):
            raise AuthorizationFailed("A program on this machine is not authorized like that.")
        begun = await self._authorization.begin(config, self._redirect_uri)
        session = Session(organization_id, new_id("mcp-oauth"), begun.state, begun.grant)
        await self._sessions.insert(session)
        return Opened(session, begun.url)

    async def finish(self, redirect: Redirect) -> Session:
        """Gets the tokens when the user returns; a repeated return finds what the first came to.

        Raises `AuthorizationFailed` for a state that is unknown or whose time is over.
        """
        session = await self._sessions.find_state(redirect.state) if redirect.state else None
        if session is None:
            raise AuthorizationFailed("No authorization waits for this state; connect to the server again.")
        if session.status != "pending":
            return session
        if not await self._sessions.claim(session):
            raise AuthorizationFailed("This authorization is being completed already.")
        ended = await self._end(session, redirect)
        await self._sessions.update(ended)
        return ended

    async def outcome(self, session: Session, within_s: float) -> Session:
        """The session when it has ended, or as it is after a while. Raises `AuthorizationFailed` when it ran out."""
        deadline = time.monotonic() + within_s
        while True:
            found = await self._sessions.find(session.organization_id, session.id)
            if found is None:
                raise AuthorizationFailed("Nobody authorized it in time.")
            if found.status != "pending" or time.monotonic() > deadline:
                return found
            await asyncio.sleep(POLL_S)

    async def forget(self, organization_id: str, server_url: str) -> None:
        """Deletes the tokens for a server."""
        await self._sessions.delete(organization_id, server_url)

    async def _end(self, session: Session, redirect: Redirect) -> Session:
        try:
            return replace(session, status="authorized", grant=await self._granted(session.grant, redirect))
        except AuthorizationFailed as exc:
            return replace(session, status="failed", message=str(exc))

    async def _granted(self, grant: Grant, redirect: Redirect) -> Grant:
        if redirect.error:
            told = f": {redirect.error_description}" if redirect.error_description else ""
            raise AuthorizationFailed(f"The authorization was refused ({redirect.error}){told}.")
        if not redirect.code:
            raise AuthorizationFailed("The authorization server sent no code.")
        return await self._authorization.exchange(grant, redirect.code, redirect.issuer)
