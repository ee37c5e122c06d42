"""Forks in Postgres."""

from sqlalchemy import text

from perdure.conversation.v1.message_pb2 import Message
from services.agents.conversations.store.conversations import PostgresConversations
from services.agents.messages.stored_rows import STORE_MESSAGES, message_arrays
from services.common.caller import Caller
from services.common.database import Transaction
from services.contract.conversations import Conversation

# The place of the system message stays free, for the fork's own.
_INSERT_FORK = text(
    """
    WITH source AS MATERIALIZED (
        SELECT * FROM agents.conversations WHERE id = :source_id AND organization_id = :organization_id FOR SHARE
    ), fork AS (
        INSERT INTO agents.conversations
            (id, organization_id, agent_id, created_by_id, last_updated_by_id, created_at, updated_at, model,
            model_settings, llm_config, isolated_block_ids, next_position, window_version, context_tokens, on_busy)
        SELECT :fork_id, organization_id, agent_id, :user_id, :user_id, :now, :now, model,
            model_settings, llm_config, :isolated_block_ids, next_position, 0, context_tokens, on_busy
        FROM source
    )
    INSERT INTO agents.conversation_messages
        (conversation_id, position, organization_id, message_id, window_rank, clipped_to)
    SELECT :fork_id, link.position, link.organization_id, link.message_id, link.window_rank, link.clipped_to
    FROM source JOIN agents.conversation_messages link ON link.conversation_id = source.id
    WHERE link.position > 0 AND link.position < ALL (
        SELECT open.position FROM agents.conversation_messages open WHERE open.conversation_id = source.id
        AND (
            open.message_id IN (
                SELECT message_id FROM agents.approvals WHERE conversation_id = source.id AND state = 'pending')
            OR open.message_id IN (
                SELECT request_id FROM agents.turns WHERE conversation_id = source.id AND state = 'active')
        )
    )
    """
)

_HAS_MESSAGES = text(
    "SELECT next_position > 0 FROM agents.conversations WHERE id = :fork_id AND organization_id = :organization_id"
)

_SET_SYSTEM = text(
    f"""
    WITH {STORE_MESSAGES}
    SELECT 1
    """  # fixed parts of one statement
)


class PostgresForks(PostgresConversations):
    """Conversations, and what forking one needs."""

    async def insert_fork(self, tx: Transaction, caller: Caller, fork: Conversation, source_id: str) -> bool:
        """Two statements."""
        await tx.execute(
            _INSERT_FORK,
            {
                "source_id": source_id,
                "organization_id": caller.organization_id,
                "fork_id": fork.id,
                "user_id": caller.user_id,
                "now": fork.created_at,
                "isolated_block_ids": fork.isolated_block_ids,
            },
        )
        made = {"fork_id": fork.id, "organization_id": caller.organization_id}
        return bool(await tx.scalar(_HAS_MESSAGES, made))

    async def set_system(self, tx: Transaction, organization_id: str, conversation_id: str, system: Message) -> None:
        """One statement."""
        parameters = {
            "organization_id": organization_id,
            "agent_id": system.agent_id,
            "conversation_id": conversation_id,
        }
        await tx.execute(_SET_SYSTEM, parameters | message_arrays([(system, 0)]))
