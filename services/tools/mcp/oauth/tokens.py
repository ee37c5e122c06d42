"""The tokens that requests to MCP servers carry, and newer ones when they end."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.tools.mcp.oauth.session import (
    Authorization,
    AuthorizationFailed,
    AuthorizationRefused,
    Grant,
    Session,
    Sessions,
)

POLL_S = 0.2  # seconds between two looks at what another process renews
EARLY = timedelta(seconds=30)  # a token is renewed that long before it ends: requests take time


def is_current(grant: Grant) -> bool:
    """Whether its token can be used for a while."""
    return grant.ends_at is None or datetime.now(UTC) < grant.ends_at - EARLY


class Tokens:
    """Renews each token once, whichever processes want it: servers take a refresh token used twice for stolen."""

    def __init__(self, sessions: Sessions, authorization: Authorization) -> None:
        self._sessions = sessions
        self._authorization = authorization

    async def find(self, organization_id: str, server_url: str) -> Grant | None:
        """What the organisation was granted at a server."""
        session = await self._sessions.find_authorized(organization_id, server_url)
        return session.grant if session else None

    async def renew(self, organization_id: str, server_url: str, stale: str) -> Grant | None:
        """One with another token than `stale`; None when the user has to authorize us again.

        Raises `AuthorizationFailed` when that cannot be found out now.
        """
        while True:
            session = await self._sessions.find_authorized(organization_id, server_url)
            if session is None or session.grant.access_token != stale:
                return session.grant if session else None
            if not session.grant.is_renewable:
                return None
            if await self._sessions.claim(session):
                return await self._renew(session)
            await asyncio.sleep(POLL_S)

    async def _renew(self, session: Session) -> Grant | None:
        try:
            grant = await self._authorization.renew(session.grant)
        except AuthorizationRefused:
            await self._sessions.delete(session.organization_id, session.grant.server_url)
            return None
        except AuthorizationFailed:
            await self._sessions.update(session)  # lets others try
            raise
        await self._sessions.update(replace(session, grant=grant))
        return grant
