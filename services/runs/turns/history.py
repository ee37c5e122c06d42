"""The turn protocol of the agents service, as the turn loop uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from perdure.conversation.v1.message_pb2 import Message, ToolCall, ToolReturn, Usage
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from services.contract.stop_reasons import StopReason
from services.runs.records import Run, RunRequest, Step
from services.runs.turns.heartbeats import OLDER_TYPES, Heartbeat

TurnState = Literal["completed", "cancelled", "failed", "deleted"]


@dataclass(frozen=True)
class TurnEnd:
    """How a turn is to end."""

    state: TurnState
    stop_reason: StopReason
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a turn ended: as asked, or as it had ended before. `closing` are returns that closed open calls.

    `last_step` is the last step of a model that was committed, as its owner knew it then.
    """

    state: TurnState
    stop_reason: StopReason
    error: str = ""
    ended_at: datetime | None = None
    closing: Sequence[Message] = ()
    last_step: Step | None = None


@dataclass(frozen=True)
class TurnAgent:
    """The agent as a turn sees it. `context_window` in tokens; `tool_rules` is the public API's JSON list.

    `thinks_aloud`: its model does not reason by itself.
    """

    id: str
    model: str
    settings: ModelSettings
    context_window: int
    agent_type: str = ""
    tool_rules: str = ""
    thinks_aloud: bool = False

    @property
    def acts_by_calls(self) -> bool:
        """Whether it is of an older type, which always calls a tool and says whether to go on after it."""
        return self.agent_type in OLDER_TYPES


@dataclass(frozen=True)
class Snapshot:
    """All that the turn loop needs to know.

    `pending` are calls of an approval request to be executed first; `known` returns of it that are known already, and
    `pending_step_id` the step that asked. The first commit then has no assistant message. `mended` says what had to be
    mended in the window. `opened`: no attempt before this one began the turn. `last_step`: as in `Outcome`.
    """

    agent: TurnAgent
    window: Sequence[Message]
    tools: Sequence[ToolDefinition]
    next_step: int
    next_step_id: str
    window_version: int
    pending: Sequence[ToolCall] = ()
    known: Sequence[ToolReturn] = ()
    pending_step_id: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    mended: Sequence[str] = ()
    opened: bool = False
    last_step: Step | None = None


@dataclass(frozen=True)
class StepCommit:
    """A step to store. `assistant` and `figures` are None where only the calls of an approval request were made.

    `figures` is the step as far as it is known, for whoever takes the turn over. Its calls wait for the client for
    `approval_expires_s` seconds; 0: as long as the server says. `heartbeat` is stored as the last message.
    """

    number: int
    assistant: Message | None
    returns: Sequence[ToolReturn]
    tool_message_id: str
    usage: Usage
    figures: Step | None = None
    end: TurnEnd | None = None
    approval_expires_s: int = 0
    heartbeat: Heartbeat | None = None


@dataclass(frozen=True)
class Committed:
    """The step as stored.

    `system` and `tools` are set where the step changed them, `outcome` where the turn has ended.
    """

    messages: Sequence[Message]
    next_step: int
    next_step_id: str
    window_version: int
    outcome: Outcome | None = None
    system: Message | None = None
    tools: Sequence[ToolDefinition] | None = None


@dataclass(frozen=True)
class Window:
    """A smaller context window. `summary` is the message that stands for what was taken out; None: it was only cut."""

    messages: Sequence[Message]
    version: int
    summary: Message | None = None


class History(Protocol):
    """Where conversations are kept. Every call may be repeated; a newer attempt makes it raise `Superseded`."""

    async def begin(self, run: Run, request: RunRequest) -> Snapshot | Outcome:
        """Takes the conversation and stores the input, or takes the turn over."""

    async def commit(self, run: Run, step: StepCommit) -> Committed:
        """Stores a step whole."""

    async def end(self, run: Run, end: TurnEnd, *, attempt: int, out_of_context: bool = False) -> Outcome:
        """Ends the turn; attempt 0 ends whatever attempt has it. `out_of_context`: its messages leave the window."""

    async def compact(self, run: Run, window_version: int) -> Window:
        """Makes room in the window. Raises `OutOfRange` where nothing is left to remove."""

    async def messages(self, run: Run) -> Sequence[Message]:
        """What is stored of the run, oldest first."""
