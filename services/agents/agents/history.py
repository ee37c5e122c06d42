"""What agents need of their conversations. `services.agents.conversations` has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from perdure.conversation.v1.message_pb2 import Message
from services.common.database import Transaction
from services.contract.messages import ApprovalRequestMessage


@dataclass(frozen=True)
class MessageCounts:
    """The messages of a conversation, and those of them that are in its context window."""

    stored: int
    in_window: int


class History(Protocol):
    """The conversations of agents, inside a transaction of the caller.

    `conversation_id` is "conv-<uuid4>", or an agent's id for its own history.
    """

    async def open_own(self, tx: Transaction, organization_id: str, agent_id: str, messages: Sequence[Message]) -> None:
        """Opens a new agent's own history with its first messages, all in the context window, system message first."""

    async def own_windows(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[str]]:
        """The message ids in the context window of each agent's own history, oldest first."""

    async def set_own_window(
        self, tx: Transaction, organization_id: str, agent_id: str, message_ids: Sequence[str]
    ) -> None:
        """Puts exactly these messages into the context window. Raises NotFound for one that is not the agent's."""

    async def lock_systems(
        self, tx: Transaction, organization_id: str, conversation_ids: Sequence[str]
    ) -> dict[str, Message]:
        """The system messages, by conversation, which nobody else rewrites until the transaction ends.

        Who has none is left out. A transaction locks all that it needs at once, and before it reads what they show.
        """

    async def rewrite_systems(
        self, tx: Transaction, organization_id: str, systems: Mapping[str, Message], texts: Mapping[str, str]
    ) -> None:
        """Gives locked system messages new texts, both by conversation; they keep their ids."""

    async def pending_approvals(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, ApprovalRequestMessage]:
        """The unanswered approval request in each agent's own history; agents without one are left out."""

    async def read_window(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[Message]:
        """The context window, oldest first."""

    async def count_messages(
        self, tx: Transaction, organization_id: str, conversation_ids: Sequence[str]
    ) -> dict[str, MessageCounts]:
        """How many messages each conversation has; conversations that do not exist are left out."""

    async def isolated_block_ids(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[str]:
        """The conversation's own copies of blocks; none in an agent's own history."""

    async def delete_of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> None:
        """Ends active turns as deleted, and deletes every conversation and message of the agent."""
