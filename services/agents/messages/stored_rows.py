"""Messages on their way into Postgres: as the parameters of one statement, whatever their number."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from perdure.conversation.v1.message_pb2 import Message, Role, ToolReturn

SEARCHING_TOOLS = ("conversation_search", "search_memory")
SEARCHED_CHARS = 100_000  # characters of a message that search sees; Postgres indexes at most 1 MB of words

# For `WITH`: stores new messages, and links them to a conversation and its context window. Its parameters are those of
# `message_arrays`, and organization_id, agent_id, conversation_id.
STORE_MESSAGES = """
new_messages AS (
    SELECT * FROM unnest(
        CAST(:ids AS text[]), CAST(:roles AS text[]), CAST(:bodies AS bytea[]), CAST(:texts AS text[]),
        CAST(:run_ids AS text[]), CAST(:step_ids AS text[]), CAST(:group_ids AS text[]),
        CAST(:created_ats AS timestamptz[]), CAST(:positions AS integer[]), CAST(:ranks AS integer[])
    ) AS new (id, role, body, text, run_id, step_id, group_id, created_at, position, rank)
), stored AS (
    INSERT INTO agents.messages
        (id, organization_id, agent_id, conversation_id, role, body, text, run_id, step_id, group_id, created_at)
    SELECT id, :organization_id, :agent_id, :conversation_id, role, body, text, run_id, step_id, group_id, created_at
    FROM new_messages ORDER BY position
), linked AS (
    INSERT INTO agents.conversation_messages (conversation_id, position, organization_id, message_id, window_rank)
    SELECT :conversation_id, position, :organization_id, id, rank FROM new_messages
)
"""


def message_arrays(placed: Sequence[tuple[Message, int]], ranks: Sequence[int] | None = None) -> dict[str, list[Any]]:
    """Messages with their positions, as the parameters of `STORE_MESSAGES`.

    `ranks` are their places in the context window, where those differ from the positions.
    """
    stored = [message for message, _ in placed]
    positions = [position for _, position in placed]
    return {
        "ids": [message.id for message in stored],
        "roles": [role_name(message.role) for message in stored],
        "bodies": [message.SerializeToString() for message in stored],
        "texts": [searched_text(message) for message in stored],
        "run_ids": [message.run_id or None for message in stored],
        "step_ids": [message.step_id or None for message in stored],
        "group_ids": [message.group_id or None for message in stored],
        "created_ats": [message.created_at.ToDatetime(UTC) for message in stored],
        "positions": positions,
        "ranks": positions if ranks is None else list(ranks),
    }


def role_name(role: Role.ValueType) -> str:
    """A role as the database writes it: ROLE_USER is "user"."""
    return Role.Name(role).removeprefix("ROLE_").lower()


def searched_text(message: Message) -> str:
    """The words of a message, without what a search found: that would be found again, in ever deeper quotes."""
    texts = (part.text or _searched_value(part.tool_return) for part in message.parts)
    return "\n".join(filter(None, texts)).replace("\x00", "")[:SEARCHED_CHARS]  # Postgres has no text with NUL


def _searched_value(returned: ToolReturn) -> str:
    return "" if returned.name in SEARCHING_TOOLS else returned.value
