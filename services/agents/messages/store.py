"""Messages in Postgres."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select, text

from perdure.conversation.v1.message_pb2 import ROLE_TOOL, Message
from services.agents.conversations.tables import conversation_messages as links
from services.agents.messages.messages import Bounds, InWindow, Wanted
from services.agents.messages.stored_rows import role_name
from services.agents.messages.tables import messages
from services.common.database import Transaction

MAX_PAGE_BYTES = 16 * 1024 * 1024  # of a page but its last message; as JSON it may be six times as long

_BY_ID = select(messages.c.body).where(
    messages.c.organization_id == bindparam("organization_id"), messages.c.id == func.any(bindparam("ids"))
)

_WINDOW = text(
    """
    SELECT message.body, link.window_rank, link.clipped_to
    FROM agents.conversation_messages link JOIN agents.messages message ON message.id = link.message_id
    WHERE link.conversation_id = :conversation_id AND link.organization_id = :organization_id
        AND link.window_rank IS NOT NULL
    ORDER BY link.window_rank
    """
)


class PostgresMessages:
    """The table of messages. Every method runs one statement, in the transaction of its caller."""

    async def get(self, tx: Transaction, organization_id: str, ids: Sequence[str]) -> dict[str, Message]:
        """The messages with these ids; those that do not exist are left out."""
        rows = await tx.execute(_BY_ID, {"organization_id": organization_id, "ids": list(ids)})
        return {message.id: message for message in map(Message.FromString, rows.scalars())}

    async def read_window(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[InWindow]:
        """The context window, oldest first."""
        rows = await tx.execute(_WINDOW, {"organization_id": organization_id, "conversation_id": conversation_id})
        return [InWindow(Message.FromString(body), rank, clipped_to) for body, rank, clipped_to in rows]

    async def sequences(
        self, tx: Transaction, organization_id: str, ids: Sequence[str], owner: Mapping[str, str]
    ) -> dict[str, int]:
        """Where messages stand in `list_of`; those that it does not list are left out."""
        query = select(messages.c.id, messages.c.sequence).where(
            *_owned(organization_id, owner), messages.c.id.in_(ids)
        )
        return dict((await tx.execute(query)).all())

    async def list_of(
        self, tx: Transaction, organization_id: str, owner: Mapping[str, str], bounds: Bounds
    ) -> list[Message]:
        """Messages with these columns (agent_id, run_id, step_id, group_id), in the order in which they were stored."""
        query = select(messages.c.body).where(*_owned(organization_id, owner))
        return await _read_page(tx, query, messages.c.sequence, bounds)

    async def positions(
        self, tx: Transaction, organization_id: str, conversation_id: str, ids: Sequence[str]
    ) -> dict[str, int]:
        """Where messages stand in `list_of_conversation`; those that it does not list are left out."""
        query = select(links.c.message_id, links.c.position).where(
            links.c.organization_id == organization_id,
            links.c.conversation_id == conversation_id,
            links.c.message_id.in_(ids),
        )
        return dict((await tx.execute(query)).all())

    async def list_of_conversation(
        self, tx: Transaction, organization_id: str, conversation_id: str, group_id: str, bounds: Bounds
    ) -> list[Message]:
        """Messages of a conversation in its order; `group_id`: only those of this group."""
        query = (
            select(messages.c.body)
            .join(links, links.c.message_id == messages.c.id)
            .where(links.c.organization_id == organization_id, links.c.conversation_id == conversation_id)
        )
        if group_id:
            query = query.where(messages.c.group_id == group_id)
        return await _read_page(tx, query, links.c.position, bounds)

    async def search(
        self, tx: Transaction, organization_id: str, agent_id: str, wanted: Wanted, limit: int
    ) -> list[Message]:
        """The newest of the messages in all conversations of an agent, without returns that have no text to find."""
        query = select(messages.c.body).where(*_owned(organization_id, {"agent_id": agent_id}))
        query = query.where(or_(messages.c.role != role_name(ROLE_TOOL), messages.c.text != ""))
        if wanted.words.strip():
            matches = "to_tsvector('simple'::regconfig, text) @@ plainto_tsquery('simple'::regconfig, :words)"
            query = query.where(text(matches).bindparams(words=wanted.words))
        if wanted.roles:
            query = query.where(messages.c.role.in_([role_name(role) for role in wanted.roles]))
        if wanted.since is not None:
            query = query.where(messages.c.created_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(messages.c.created_at <= wanted.until)
        return await _read_page(tx, query, messages.c.sequence, Bounds(limit, descending=True))


def _owned(organization_id: str, owner: Mapping[str, str]) -> list[ColumnElement[bool]]:
    columns = {"organization_id": organization_id, **owner}
    return [messages.c[name] == value for name, value in columns.items()]


async def _read_page(tx: Transaction, query: Select[Any], order: ColumnElement[int], bounds: Bounds) -> list[Message]:
    """A page has fewer messages than it may where these are large; only an empty one is the end of a list."""
    if bounds.after is not None:
        query = query.where(order > bounds.after)
    if bounds.before is not None:
        query = query.where(order < bounds.before)
    direction = order.desc() if bounds.descending else order.asc()
    size = func.octet_length(messages.c.body)
    before = func.sum(size).over(order_by=direction, rows=(None, 0)) - size
    page = query.add_columns(before.label("bytes_before")).order_by(direction).limit(bounds.limit).subquery()
    fitting = select(page.c.body).where(page.c.bytes_before < MAX_PAGE_BYTES).order_by(page.c.bytes_before)
    return [Message.FromString(body) for body in (await tx.execute(fitting)).scalars()]
