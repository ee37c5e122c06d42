"""What agents need of their conversations, in Postgres. `services.agents.agents.history` says what that is."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import aggregate_order_by

from perdure.conversation.v1.message_pb2 import Message, Part
from services.agents.agents.history import MessageCounts
from services.agents.agents.tables import agents
from services.agents.conversations.tables import conversation_messages as links
from services.agents.conversations.tables import conversations
from services.agents.messages.messages import MessageNotFound, Messages
from services.agents.messages.store import PostgresMessages
from services.agents.messages.stored_rows import STORE_MESSAGES, message_arrays, searched_text
from services.agents.messages.tables import messages
from services.agents.turns.approvals import ApprovalState
from services.agents.turns.store.idle import lock_idle
from services.agents.turns.store.voiding import void_requests
from services.agents.turns.tables import approvals, turns
from services.agents.turns.turn import TurnState
from services.common.database import Transaction
from services.common.pieces import Shown, render_pieces
from services.contract.messages import ApprovalRequestMessage

_OPEN = text(
    f"""
    WITH {STORE_MESSAGES}
    INSERT INTO agents.conversations
        (id, organization_id, agent_id, created_at, updated_at, isolated_block_ids, next_position, window_version)
    VALUES (:conversation_id, :organization_id, :agent_id, :now, :now, '{{}}', :next_position, 0)
    """  # noqa: S608  # fixed parts of one statement
)

# Ranks from 0, as positions are: below that of the next message also where all messages are in the window.
SET_WINDOW = text(
    """
    UPDATE agents.conversation_messages link SET window_rank = place.rank - 1, clipped_to = NULL
    FROM agents.conversation_messages old
    LEFT JOIN unnest(CAST(:message_ids AS text[])) WITH ORDINALITY AS place (message_id, rank)
        ON place.message_id = old.message_id
    WHERE old.conversation_id = :conversation_id AND old.organization_id = :organization_id
        AND (old.window_rank IS NOT NULL OR place.rank IS NOT NULL)
        AND link.conversation_id = old.conversation_id AND link.position = old.position
    """
)

# Locked in order, so that who rewrites many never waits in a circle.
_LOCK_SYSTEMS = text(
    """
    SELECT link.conversation_id, message.body
    FROM agents.conversation_messages link JOIN agents.messages message ON message.id = link.message_id
    WHERE link.conversation_id = ANY (:conversation_ids) AND link.organization_id = :organization_id
        AND link.window_rank = (
        SELECT min(window_rank) FROM agents.conversation_messages WHERE conversation_id = link.conversation_id
    )
    ORDER BY link.conversation_id
    FOR NO KEY UPDATE OF message
    """
)

REWRITE = text(
    """
    UPDATE agents.messages message SET body = new.body, text = new.text
    FROM unnest(CAST(:ids AS text[]), CAST(:bodies AS bytea[]), CAST(:texts AS text[])) AS new (id, body, text)
    WHERE message.id = new.id AND message.organization_id = :organization_id
    """
)

_REQUESTS = Shown(types=frozenset({"approval_request_message"}))


class PostgresHistory:
    """The conversations of agents, inside a transaction of the caller.

    `conversation_id` is "conv-<uuid4>", or an agent's id for its own history. Every method runs one statement where it
    says no other number.
    """

    def __init__(self, messages: PostgresMessages) -> None:
        self._messages = messages

    async def open_own(self, tx: Transaction, organization_id: str, agent_id: str, messages: Sequence[Message]) -> None:
        """Opens a new agent's own history with its first messages, all in the context window."""
        placed = [(message, position) for position, message in enumerate(messages)]
        parameters = {
            "organization_id": organization_id,
            "agent_id": agent_id,
            "conversation_id": agent_id,
            "now": datetime.now(UTC),
            "next_position": len(placed),
        }
        await tx.execute(_OPEN, parameters | message_arrays(placed))

    async def own_windows(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[str]]:
        """The message ids in the context window of each agent's own history, oldest first."""
        in_order = func.array_agg(aggregate_order_by(links.c.message_id, links.c.window_rank))
        query = (
            select(links.c.conversation_id, in_order)
            .where(
                links.c.conversation_id.in_(agent_ids),
                links.c.organization_id == organization_id,
                links.c.window_rank.is_not(None),
            )
            .group_by(links.c.conversation_id)
        )
        windows = {agent_id: ids for agent_id, ids in await tx.execute(query)}  # noqa: C416  # typed rows
        return {agent_id: windows.get(agent_id, []) for agent_id in agent_ids}

    async def set_own_window(
        self, tx: Transaction, organization_id: str, agent_id: str, message_ids: Sequence[str]
    ) -> None:
        """Puts exactly these messages of the agent's own history into its context window. At most six statements.

        A request that waits is void unless it is the last of them.
        Raises `MessageNotFound` for one that is not there, and `ConversationBusy`.
        """
        await lock_idle(tx, organization_id, agent_id)
        known = select(links.c.message_id).where(
            links.c.conversation_id == agent_id,
            links.c.organization_id == organization_id,
            links.c.message_id.in_(message_ids),
        )
        missing = set(message_ids) - set(await tx.scalars(known))
        if missing:
            raise MessageNotFound(min(missing))
        await tx.execute(SET_WINDOW, window_of(organization_id, agent_id, message_ids))
        await void_requests(tx, organization_id, agent_id, kept=message_ids[-1:])

    async def lock_systems(
        self, tx: Transaction, organization_id: str, conversation_ids: Sequence[str]
    ) -> dict[str, Message]:
        """The system messages, by conversation, locked.

        Takes no lock on the conversations: their turns go on as they are.
        """
        asked = {"organization_id": organization_id, "conversation_ids": list(conversation_ids)}
        found = await tx.execute(_LOCK_SYSTEMS, asked)
        return {conversation_id: Message.FromString(body) for conversation_id, body in found}

    async def rewrite_systems(
        self, tx: Transaction, organization_id: str, systems: Mapping[str, Message], texts: Mapping[str, str]
    ) -> None:
        """Gives locked system messages new texts, both by conversation."""
        for conversation_id, system in systems.items():
            del system.parts[:]
            system.parts.append(Part(text=texts[conversation_id]))
        await tx.execute(REWRITE, rewritten(organization_id, systems.values()))

    async def pending_approvals(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, ApprovalRequestMessage]:
        """The approval request that waits in each agent's own history; agents without one are left out."""
        query = (
            select(messages.c.body)
            .join(approvals, approvals.c.message_id == messages.c.id)
            .where(
                approvals.c.conversation_id.in_(agent_ids),
                approvals.c.organization_id == organization_id,
                approvals.c.state == ApprovalState.PENDING,
                or_(approvals.c.expires_at.is_(None), approvals.c.expires_at > datetime.now(UTC)),
            )
        )
        requests = [Message.FromString(body) for body in await tx.scalars(query)]
        return {request.conversation_id: _shown(request) for request in requests}

    async def read_window(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[Message]:
        """The context window, oldest first."""
        return await Messages(self._messages).read_window(tx, organization_id, conversation_id)

    async def count_messages(
        self, tx: Transaction, organization_id: str, conversation_ids: Sequence[str]
    ) -> dict[str, MessageCounts]:
        """How many messages each conversation has; conversations without messages are left out."""
        query = (
            select(links.c.conversation_id, func.count(), func.count(links.c.window_rank))
            .where(links.c.conversation_id.in_(conversation_ids), links.c.organization_id == organization_id)
            .group_by(links.c.conversation_id)
        )
        return {
            conversation_id: MessageCounts(stored, in_window)
            for conversation_id, stored, in_window in await tx.execute(query)
        }

    async def isolated_block_ids(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[str]:
        """The conversation's own copies of blocks; none in an agent's own history."""
        query = select(conversations.c.isolated_block_ids).where(
            conversations.c.id == conversation_id, conversations.c.organization_id == organization_id
        )
        return list(await tx.scalar(query) or ())

    async def delete_of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> None:
        """Ends active turns as deleted, and deletes everything else of the agent's history. Six statements.

        From the second on, the agent gets no new conversation.
        """
        of_agent = conversations.c.organization_id == organization_id, conversations.c.agent_id == agent_id
        await tx.execute(select(conversations.c.id).where(*of_agent).order_by(conversations.c.id).with_for_update())
        its_row = agents.c.organization_id == organization_id, agents.c.id == agent_id
        await tx.execute(select(agents.c.id).where(*its_row).with_for_update())
        await tx.execute(
            update(turns)
            .where(
                turns.c.organization_id == organization_id,
                turns.c.agent_id == agent_id,
                turns.c.state == TurnState.ACTIVE,
            )
            .values(state=TurnState.DELETED, stop_reason="cancelled", ended_at=datetime.now(UTC))
        )
        await tx.execute(
            delete(turns).where(
                turns.c.organization_id == organization_id,
                turns.c.agent_id == agent_id,
                turns.c.state != TurnState.DELETED,
            )
        )
        await tx.execute(delete(conversations).where(*of_agent))
        await tx.execute(
            delete(messages).where(messages.c.organization_id == organization_id, messages.c.agent_id == agent_id)
        )


def window_of(organization_id: str, conversation_id: str, message_ids: Sequence[str]) -> dict[str, Any]:
    """What a context window is to hold, as the parameters of `SET_WINDOW`."""
    return {
        "organization_id": organization_id,
        "conversation_id": conversation_id,
        "message_ids": list(dict.fromkeys(message_ids)),  # each at its first place
    }


def rewritten(organization_id: str, messages: Collection[Message]) -> dict[str, Any]:
    """Changed messages, as the parameters of `REWRITE`."""
    return {
        "organization_id": organization_id,
        "ids": [message.id for message in messages],
        "bodies": [message.SerializeToString() for message in messages],
        "texts": [searched_text(message) for message in messages],
    }


def _shown(request: Message) -> ApprovalRequestMessage:
    [piece] = render_pieces(request, _REQUESTS)
    return ApprovalRequestMessage.model_validate(piece)
