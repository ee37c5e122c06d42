"""A turn: one run's hold on a conversation, from BeginTurn to its one end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from perdure.conversation.v1.message_pb2 import ApprovalAnswer, Message, ToolCall, ToolReturn, Usage
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition

REQUIRES_APPROVAL = "requires_approval"  # the stop reason of a turn that waits for the client


class TurnState(StrEnum):
    """Where a turn stands. All but ACTIVE are ends."""

    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True)
class TurnEnd:
    """How a turn is to end. `stop_reason` is a word of the public API; `error` is empty where nothing went wrong.

    `retracts`: its messages leave the context window, too; they stay listed.
    """

    state: TurnState
    stop_reason: str
    error: str = ""
    retracts: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a turn ended. `closing_messages` are those that this end added, in the answer that ended the turn.

    `last_step` is what its owner said of the last step that has an answer of the model.
    """

    end: TurnEnd
    ended_at: datetime | None
    steps: int
    closing_messages: Sequence[Message] = ()
    last_step: bytes | None = None


@dataclass(frozen=True)
class Turn:
    """A turn as stored. `request_id` is the approval request that it answers, until its returns are stored.

    `last_step` is what its owner said of the last step that has an answer of the model.
    """

    run_id: str
    agent_id: str | None
    conversation_id: str
    attempt: int
    state: TurnState
    stop_reason: str | None
    error: str
    next_step: int
    next_step_id: str
    steps: int
    input_ids: Sequence[str]
    request_id: str | None
    returns_position: int | None
    begun_at: datetime | None
    ended_at: datetime | None
    last_step: bytes | None = None

    @property
    def is_active(self) -> bool:
        """It holds its conversation."""
        return self.state is TurnState.ACTIVE

    @property
    def waits(self) -> bool:
        """It ended with an approval request."""
        return self.state is TurnState.COMPLETED and self.stop_reason == REQUIRES_APPROVAL

    def ended(self, end: TurnEnd, now: datetime) -> "Turn":
        """The turn after its end."""
        return replace(self, state=end.state, stop_reason=end.stop_reason, error=end.error, ended_at=now)

    def outcome(self) -> Outcome:
        """How it ended."""
        end = TurnEnd(self.state, self.stop_reason or "", self.error)
        return Outcome(end, self.ended_at, self.steps, last_step=self.last_step)


@dataclass(frozen=True)
class Input:
    """What a run brings to a conversation: messages, answers to a pending approval request, or both.

    `request_id` is the message id of the request that an answer in the old form names; `answers` then holds one without
    call id, which stands for every call.
    """

    messages: Sequence[Message] = ()
    answers: Sequence[ApprovalAnswer] = ()
    request_id: str = ""


@dataclass(frozen=True)
class TurnAgent:
    """The agent as a turn sees it. `tool_rules` is the public API's JSON list."""

    id: str
    name: str
    agent_type: str
    model: str
    settings: ModelSettings
    context_window: int  # tokens that prompt and answer may have together
    tool_rules: str
    thinks_aloud: bool  # asked for its thoughts as an argument of each call


@dataclass(frozen=True)
class OpenRequest:
    """An approval request that is being answered: what is left to execute, and the returns that are known."""

    step_id: str
    pending_calls: Sequence[ToolCall]
    known_returns: Sequence[ToolReturn]


@dataclass(frozen=True)
class Snapshot:
    """All that the turn loop needs to know. `window` is oldest first, the system message first of all.

    `opened`: the turn began just now. `last_step`: as in `Turn`.
    """

    agent: TurnAgent
    window: Sequence[Message]
    input: Sequence[Message]
    tools: Sequence[ToolDefinition]
    next_step: int
    next_step_id: str
    request: OpenRequest | None
    environment: Mapping[str, str]
    window_version: int
    mended: Sequence[str] = ()
    opened: bool = False
    last_step: bytes | None = None


@dataclass(frozen=True)
class Heartbeat:
    """A message to an agent that goes on: its id, and why it does."""

    message_id: str
    reason: str


@dataclass(frozen=True)
class Step:
    """A step to store: what the model said, and what its calls gave. `number` is from 1; `end` makes it the last.

    Calls that wait for the client do so for `approval_expires_s` seconds; 0: as long as the server says. `heartbeat`
    is the last message, which gives an agent of the older types the word again. `figures` is what its owner wants to be
    told of the step again.
    """

    number: int
    assistant: Message | None
    returns: Sequence[ToolReturn]
    tool_message_id: str
    usage: Usage
    end: TurnEnd | None = None
    approval_expires_s: int = 0
    heartbeat: Heartbeat | None = None
    figures: bytes | None = None


@dataclass(frozen=True)
class Committed:
    """A step as stored, or that the turn had ended before (no messages, and the outcome).

    `system` is the system message, where the step changed it.
    """

    messages: Sequence[Message]
    next_step: int
    next_step_id: str
    window_version: int
    outcome: Outcome | None = None
    system: Message | None = None
