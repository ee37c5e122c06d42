"""Authorizations in Postgres. Each method runs one statement, unless it says otherwise."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from services.common.database import Database
from services.common.secrets import SecretBox
from services.tools.mcp.oauth.session import Grant, Session
from services.tools.mcp.oauth.tables import mcp_oauth_sessions as table

PENDING = timedelta(minutes=10)  # for the user to come back
CLAIM = timedelta(seconds=30)  # twice what a request to an authorization server may take

_READ = select(
    table.c.organization_id, table.c.id, table.c.status, table.c.message, table.c.version, table.c.grant
).where(or_(table.c.expires_at.is_(None), table.c.expires_at > func.now()))


class PostgresSessions:
    """Authorizations of organisations."""

    def __init__(self, database: Database, secrets: SecretBox) -> None:
        self._database = database
        self._secrets = secrets

    async def insert(self, session: Session) -> None:
        """Adds one that is pending, and removes those that nobody came back to. Two statements."""
        async with self._database.begin() as transaction:
            await transaction.execute(delete(table).where(table.c.expires_at < func.now()))
            row = {
                **self._columns(session),
                "id": session.id,
                "organization_id": session.organization_id,
                "server_digest": _digest(session.grant.server_url),
                "state_digest": _digest(session.state),
                "expires_at": func.now() + PENDING,
            }
            await transaction.execute(insert(table).values(row))

    async def find(self, organization_id: str, session_id: str) -> Session | None:
        """One by its id."""
        return await self._first(table.c.organization_id == organization_id, table.c.id == session_id)

    async def find_state(self, state: str) -> Session | None:
        """One by its state, whosever it is."""
        return await self._first(table.c.state_digest == _digest(state))

    async def find_authorized(self, organization_id: str, server_url: str) -> Session | None:
        """The one that gives the tokens for a server."""
        return await self._first(*_of_server(organization_id, server_url), table.c.status == "authorized")

    async def claim(self, session: Session) -> bool:
        """Whether the caller, and nobody else, may change it for half a minute."""
        is_free = or_(table.c.claimed_until.is_(None), table.c.claimed_until < func.now())
        statement = update(table).where(_is(session), is_free).values(claimed_until=func.now() + CLAIM)
        async with self._database.begin() as transaction:
            return (await transaction.execute(statement.returning(table.c.id))).first() is not None

    async def update(self, session: Session) -> None:
        """Stores the next version of what was claimed. One more statement for one that is authorized."""
        values = {**self._columns(session), "version": session.version + 1, "claimed_until": None}
        async with self._database.begin() as transaction:
            if session.status == "authorized":
                of_server = _of_server(session.organization_id, session.grant.server_url)
                earlier = [*of_server, table.c.status == "authorized", table.c.id != session.id]
                await transaction.execute(delete(table).where(*earlier))
                values["expires_at"] = None
            await transaction.execute(update(table).where(_is(session)).values(**values, updated_at=func.now()))

    async def delete(self, organization_id: str, server_url: str) -> None:
        """Forgets all that a server was authorized for."""
        async with self._database.begin() as transaction:
            await transaction.execute(delete(table).where(*_of_server(organization_id, server_url)))

    async def _first(self, *conditions: ColumnElement[bool]) -> Session | None:
        async with self._database.begin() as transaction:
            row = (await transaction.execute(_READ.where(*conditions))).first()
        return self._session(row) if row else None

    def _columns(self, session: Session) -> dict[str, Any]:  # Any: the values of the columns
        grant = self._secrets.encrypt(session.grant.model_dump_json())
        return {"status": session.status, "message": session.message, "version": session.version, "grant": grant}

    def _session(self, row: Any) -> Session:  # Any: a row of _READ
        grant = Grant.model_validate_json(self._secrets.decrypt(row.grant))
        return Session(row.organization_id, row.id, "", grant, row.status, row.message, row.version)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _of_server(organization_id: str, server_url: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.organization_id == organization_id, table.c.server_digest == _digest(server_url)


def _is(session: Session) -> ColumnElement[bool]:
    of_owner = (table.c.id == session.id) & (table.c.organization_id == session.organization_id)
    return of_owner & (table.c.version == session.version)
