"""Conversations in Postgres."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Row, delete, func, insert, literal, select, text, update

from perdure.conversation.v1.message_pb2 import Message
from services.agents.agents.tables import agents
from services.agents.conversations.conversations import ConversationFilter
from services.agents.conversations.tables import conversation_messages as links
from services.agents.conversations.tables import conversations
from services.agents.messages.stored_rows import STORE_MESSAGES, message_arrays
from services.agents.messages.tables import messages
from services.agents.paging import Page
from services.agents.store.keyset import cut
from services.agents.turns.store.idle import lock_idle
from services.agents.turns.store.voiding import void_requests
from services.agents.turns.tables import turns
from services.common.caller import Caller
from services.common.database import Transaction
from services.contract.agents import AgentType
from services.contract.conversations import Conversation
from services.contract.model_configs import LlmConfig

_NOT_STORED = {"in_context_message_ids"}
_COLUMNS = tuple(conversations.c[name] for name in Conversation.model_fields if name not in _NOT_STORED)
_NEVER = literal(datetime(1970, 1, 1, tzinfo=UTC), DateTime(timezone=True))
_last_end = (
    select(func.max(turns.c.ended_at))
    .where(turns.c.conversation_id == conversations.c.id)
    .correlate(conversations)
    .scalar_subquery()
)
_SORTS: Mapping[str, ColumnElement[Any]] = {  # none is ever null
    "created_at": conversations.c.created_at,
    "last_message_at": func.coalesce(conversations.c.last_message_at, _NEVER),
    "last_run_completion": func.coalesce(_last_end, _NEVER),
}
_APPEND = text(
    f"""
    WITH {STORE_MESSAGES}
    UPDATE agents.conversations SET next_position = :next_position, window_version = window_version + 1
    WHERE id = :conversation_id AND organization_id = :organization_id
    """  # noqa: S608  # fixed parts of one statement
)


class PostgresConversations:
    """The table of conversations. Every method runs in the transaction of its caller."""

    async def agent_type(self, tx: Transaction, organization_id: str, agent_id: str) -> AgentType | None:
        """One statement; the agent stays until the transaction ends."""
        query = select(agents.c.agent_type).where(agents.c.id == agent_id, agents.c.organization_id == organization_id)
        found: AgentType | None = await tx.scalar(query.with_for_update(key_share=True, read=True))
        return found

    async def insert(
        self, tx: Transaction, caller: Caller, conversation: Conversation, llm_config: LlmConfig | None
    ) -> None:
        """One statement."""
        values = conversation.model_dump(exclude=_NOT_STORED)
        values |= {"organization_id": caller.organization_id, "next_position": 0, "window_version": 0}
        values["llm_config"] = llm_config.model_dump() if llm_config else None
        await tx.execute(insert(conversations).values(values))

    async def find(self, tx: Transaction, organization_id: str, conversation_id: str) -> Conversation | None:
        """One statement."""
        query = select(*_COLUMNS).where(*_is(organization_id, conversation_id))
        row = (await tx.execute(query)).one_or_none()
        return _conversation(row) if row is not None else None

    async def window_ids(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[str]:
        """One statement."""
        query = (
            select(links.c.message_id)
            .where(*_links(organization_id, conversation_id), links.c.window_rank.is_not(None))
            .order_by(links.c.window_rank)
        )
        return list(await tx.scalars(query))

    async def list_page(
        self, tx: Transaction, organization_id: str, wanted: ConversationFilter, page: Page, order_by: str
    ) -> list[Conversation]:
        """One statement, and one for each cursor."""
        query = select(*_COLUMNS).where(
            conversations.c.organization_id == organization_id, conversations.c.id != conversations.c.agent_id
        )
        if wanted.agent_id:
            query = query.where(conversations.c.agent_id == wanted.agent_id)
        if wanted.summary_search:
            query = query.where(conversations.c.summary.icontains(wanted.summary_search, autoescape=True))
        sort = _SORTS[order_by]
        query = await cut(tx, query, page, table=conversations, sort=sort, organization_id=organization_id)
        return [_conversation(row) for row in await tx.execute(query)]

    async def change(self, tx: Transaction, caller: Caller, conversation_id: str, values: Mapping[str, Any]) -> None:
        """One statement."""
        changed = {**values, "updated_at": datetime.now(UTC), "last_updated_by_id": caller.user_id}
        changing = update(conversations).where(*_is(caller.organization_id, conversation_id))
        await tx.execute(changing.values(changed))

    async def lock_idle(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Two statements."""
        await lock_idle(tx, organization_id, conversation_id)

    async def delete(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Two statements."""
        other = links.alias()
        shown_elsewhere = (
            select(other.c.message_id)
            .where(other.c.message_id == messages.c.id, other.c.conversation_id != conversation_id)
            .exists()
        )
        shown_here = select(links.c.message_id).where(*_links(organization_id, conversation_id))
        await tx.execute(delete(messages).where(messages.c.id.in_(shown_here), ~shown_elsewhere))
        await tx.execute(delete(conversations).where(*_is(organization_id, conversation_id)))

    async def empty_window(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """At most three statements."""
        in_window = *_links(organization_id, conversation_id), links.c.window_rank.is_not(None)
        system_rank = select(func.min(links.c.window_rank)).where(*in_window).scalar_subquery()
        await tx.execute(
            update(links).where(*in_window, links.c.window_rank > system_rank).values(window_rank=None, clipped_to=None)
        )
        await void_requests(tx, organization_id, conversation_id)

    async def append(
        self, tx: Transaction, organization_id: str, conversation_id: str, messages: Sequence[Message]
    ) -> None:
        """Two statements."""
        query = select(conversations.c.agent_id, conversations.c.next_position)
        row = (await tx.execute(query.where(*_is(organization_id, conversation_id)))).one()
        placed = [(message, row.next_position + index) for index, message in enumerate(messages)]
        parameters = {
            "organization_id": organization_id,
            "agent_id": row.agent_id,
            "conversation_id": conversation_id,
            "next_position": row.next_position + len(placed),
        }
        await tx.execute(_APPEND, parameters | message_arrays(placed))


def _is(organization_id: str, conversation_id: str) -> tuple[ColumnElement[bool], ...]:
    return conversations.c.id == conversation_id, conversations.c.organization_id == organization_id


def _links(organization_id: str, conversation_id: str) -> tuple[ColumnElement[bool], ...]:
    return links.c.conversation_id == conversation_id, links.c.organization_id == organization_id


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation.model_validate({column.name: getattr(row, column.name) for column in _COLUMNS})
