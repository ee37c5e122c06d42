"""What turns need of their store. Every method runs in the transaction of its caller.

Who writes to a conversation locks its row first, then the turn, then the agent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from perdure.conversation.v1.message_pb2 import Message
from services.agents.turns.opening import Opening
from services.agents.turns.turn import Turn
from services.common.database import Transaction

Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True)
class LockedConversation:
    """A conversation, locked, with what a turn needs of its agent. Tools come as their bytes.

    `own_…` is the conversation's, in place of the agent's. `forgets`: each turn begins with an empty window. The
    tools in `waived_tool_ids` are called without the approval that they ask for by default.
    """

    id: str
    agent_id: str
    next_position: int
    window_version: int
    own_model: str | None
    own_model_settings: Json | None
    own_llm_config: Json | None
    name: str
    agent_type: str
    model: str
    model_settings: Json
    llm_config: Json
    tool_rules: list[Json]
    tools: Sequence[bytes]
    waived_tool_ids: Sequence[str]
    variables: dict[str, str] | None
    forgets: bool


@dataclass(frozen=True)
class Hold:
    """What stands between a run and its conversation: its own turn, another's, or a pending approval request.

    `pending_run_id` is the run that asked; a request without `pending_until` waits for ever.
    """

    turn: Turn | None
    active_run_id: str | None
    pending_id: str | None
    pending_run_id: str | None
    pending_call_ids: Sequence[str]
    pending_until: datetime | None

    def is_expired(self, now: datetime) -> bool:
        """Whether the time of the pending request is over."""
        return self.pending_until is not None and self.pending_until <= now


@dataclass(frozen=True)
class LockedTurn:
    """A turn with its conversation's counters, both locked."""

    turn: Turn
    next_position: int
    window_version: int


@dataclass(frozen=True)
class Writing:
    """What a step or an end changes, besides the turn itself.

    `asked_call_ids` are the calls of `asking` that now wait for the client, for ever without `asked_until`;
    `context_tokens` is the size of the window, where the provider told it.
    """

    messages: Sequence[tuple[Message, int]] = ()  # with their positions
    next_position: int = 0
    window_version: int = 0
    asking: Message | None = None
    asked_call_ids: Sequence[str] = ()
    asked_until: datetime | None = None
    context_tokens: int | None = None


@dataclass(frozen=True)
class Compaction:
    """What a compaction changes: ranks that leave the window, what remains clipped, and the summary with its rank."""

    evicted_ranks: Sequence[int]
    clipped_to: int | None = None
    summary: Message | None = None
    summary_rank: int = 0


@dataclass(frozen=True)
class CompactionTerms:
    """How an agent wants its windows compacted, and how many tokens the provider counted in this one last."""

    settings: Json
    context_tokens: int | None


class TurnStore(Protocol):
    """Turns, and the approval requests that they end with."""

    async def lock_conversation(
        self, tx: Transaction, organization_id: str, conversation_id: str
    ) -> LockedConversation | None:
        """Locks a conversation and reads what a turn needs of it and its agent."""

    async def read_hold(self, tx: Transaction, organization_id: str, run_id: str, conversation_id: str) -> Hold:
        """What the run meets at the locked conversation."""

    async def lock_turn(self, tx: Transaction, organization_id: str, run_id: str) -> LockedTurn | None:
        """Locks a run's turn and its conversation. None when one of the two is not there."""

    async def get(self, tx: Transaction, organization_id: str, run_id: str) -> Turn | None:
        """A run's turn."""

    async def begin(self, tx: Transaction, organization_id: str, opening: Opening) -> None:
        """Stores a new turn."""

    async def forget(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Empties the window but for its system message."""

    async def retract(self, tx: Transaction, organization_id: str, turn: Turn) -> None:
        """Takes a turn's messages out of the context window, but for returns to a request of another turn."""

    async def take_over(self, tx: Transaction, organization_id: str, run_id: str, attempt: int) -> None:
        """Gives a turn to another attempt."""

    async def write(self, tx: Transaction, organization_id: str, turn: Turn, writing: Writing, now: datetime) -> None:
        """Stores a turn as it is now, with what changed in its conversation."""

    async def bury(self, tx: Transaction, organization_id: str, turn: Turn) -> bool:
        """Remembers a turn that never began as ended. False when the run has a turn."""

    async def compaction_terms(self, tx: Transaction, organization_id: str, conversation_id: str) -> CompactionTerms:
        """How the conversation's window is to be compacted."""

    async def compact(
        self, tx: Transaction, organization_id: str, conversation: LockedConversation, change: Compaction
    ) -> None:
        """Changes the context window of a locked conversation."""
