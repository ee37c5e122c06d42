"""What the runs service keeps of runs and steps, and what starts a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perdure.conversation.v1.message_pb2 import ApprovalAnswer, Message, ToolCall, ToolReturn, Usage
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.errors import Unprocessable
from services.contract.on_busy import OnBusy
from services.contract.runs import RunStatus
from services.contract.steps import StepStatus
from services.contract.stop_reasons import StopReason

DEFAULT_MAX_STEPS = 50  # model calls of one run
MAX_LOSSES = 10  # owners that died of a run before it is given up
READ_TIMEOUT_S = 60.0  # seconds after which a client that does not say otherwise takes an answer for lost
ACTIVE_STATUSES: tuple[RunStatus, ...] = ("created", "running")


class KeyReused(Unprocessable):
    """A request has the id of another one."""

    reason = "KEY_REUSED"

    def __init__(self, run_id: str) -> None:
        problem = f"This key was sent before with another request, which started {run_id}. Use a new key for each."
        super().__init__([{"type": "key_reused", "loc": ["header", "idempotency-key"], "msg": problem}])


@dataclass(frozen=True)
class Skill:
    """A skill of the client that the model is told of."""

    name: str
    description: str
    location: str


@dataclass(frozen=True)
class RunRequest:
    """What starts a run: the whole normalised request.

    `conversation_id` is "conv-…" or the agent's id for its own history; `agent_id` may be empty where the caller does
    not know it. `approval_request_id` names the request message of an old-form answer. `request_id` makes the request
    repeatable (AIP-155); `retry_count` is how often the client has sent it before. A run with a `parent_run_id` was
    started by a tool call of that run. `on_busy` None: what the conversation or the server says. `timeout_s` bounds the
    run, waiting included; 0: nothing does. `read_timeout_s` is after what silence the client takes an answer for lost.
    Calls wait for the client for `approval_expires_s`; 0: as long as the server says.
    """

    organization_id: str
    user_id: str
    conversation_id: str
    agent_id: str = ""
    input: tuple[Message, ...] = ()
    approvals: tuple[ApprovalAnswer, ...] = ()
    approval_request_id: str = ""
    client_tools: tuple[ToolDefinition, ...] = ()
    client_skills: tuple[Skill, ...] = ()
    max_steps: int = DEFAULT_MAX_STEPS
    override_model: str = ""
    override_system: str = ""
    without_deltas: bool = False
    request_id: str = ""
    background: bool = False
    run_type: str = "send_message"
    request_config: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON of the public API
    callback_url: str = ""
    retry_count: int = 0
    parent_run_id: str = ""
    on_busy: OnBusy | None = None
    timeout_s: float = 0
    approval_expires_s: int = 0
    read_timeout_s: float = READ_TIMEOUT_S
    answer_otid: str = ""

    @property
    def has_input(self) -> bool:
        """Whether it brings anything to the conversation. The retry of a run that failed does not."""
        return bool(self.input or self.approvals)

    @property
    def otid(self) -> str:
        """The client's id of the input: that of its first message that has one, else of its answers."""
        return next((message.otid for message in self.input if message.otid), self.answer_otid)


@dataclass(frozen=True)
class Failure:
    """What went wrong in a run.

    `type` is the public error_type; `reason` that of the service that failed (LLM_OVERLOADED, CONTEXT_WINDOW_EXCEEDED,
    …); `http_status` suits a JSON answer. `before_input`: the conversation did not take the run's input.
    """

    type: str
    message: str
    detail: str
    reason: str
    http_status: int
    stop_reason: StopReason = "error"
    before_input: bool = False


@dataclass(frozen=True)
class Run:
    """One turn of an agent, as stored. Usage and steps are those of the committed steps, filled in at the end.

    `queue_position` is its place among the runs that wait for the conversation, from 1; 0: it does not wait.
    `remaining_s` is how long it may still take, as it was read; None: as long as it wants. `has_followers`, told at its
    end: runs wait for its conversation. `shown_unlogged`: its log may lack events that were shown.
    `claimed_at` is when its last owner took it; `taken_from`, told as it is taken: the owner that died over it.
    """

    id: str
    organization_id: str
    user_id: str
    agent_id: str
    conversation_id: str
    status: RunStatus
    created_at: datetime
    background: bool
    run_type: str
    attempt: int
    stop_reason: StopReason | None = None
    failure: Failure | None = None
    completed_at: datetime | None = None
    otid: str = ""
    request_id: str = ""
    parent_run_id: str | None = None
    request_config: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON of the public API
    callback_url: str | None = None
    callback_sent_at: datetime | None = None
    callback_status_code: int | None = None
    callback_error: str | None = None
    owner: str | None = None
    claimed_at: datetime | None = None
    taken_from: str | None = None
    losses: int = 0
    on_busy: OnBusy | None = None
    queue_position: int = 0
    remaining_s: float | None = None
    has_followers: bool = False
    last_seq: int | None = None
    shown_unlogged: bool = False
    delivered: bool = False
    ttft_ns: int | None = None
    total_duration_ns: int | None = None
    usage: Usage = field(default_factory=Usage)
    steps: int = 0
    context_tokens: int = 0
    tools_used: tuple[str, ...] = ()

    @property
    def shows_summaries(self) -> bool:
        """Whether its sender wants to see the summaries that compaction makes."""
        return bool(self.request_config.get("include_compaction_messages"))

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status not in ACTIVE_STATUSES


@dataclass(frozen=True)
class Claimed:
    """A run that this process owns, and the request to carry out."""

    run: Run
    request: RunRequest


@dataclass(frozen=True)
class ModelInfo:
    """The model that answered, as its handle resolved."""

    handle: str = ""
    name: str = ""
    provider_name: str = ""
    provider_category: str = ""
    endpoint: str = ""
    context_window: int = 0


@dataclass(frozen=True)
class Step:
    """A model call of a run with the tool calls that followed. Times in nanoseconds; starts are since the epoch."""

    id: str
    organization_id: str
    run_id: str
    agent_id: str
    number: int
    attempt: int
    created_at: datetime
    status: StepStatus
    model: ModelInfo = field(default_factory=ModelInfo)
    usage: Usage = field(default_factory=Usage)
    stop_reason: StopReason | None = None
    first_seq: int = 0
    last_seq: int = 0
    step_start_ns: int | None = None
    llm_request_start_ns: int | None = None
    llm_request_ns: int | None = None
    tool_execution_ns: int | None = None
    step_ns: int | None = None
    error_type: str | None = None
    error_detail: str | None = None


@dataclass(frozen=True)
class Draft:
    """A finished model call that is not committed yet: what the ledger keeps of it.

    `tool_message_id` is the id that the message of the returns will have.
    """

    step: Step
    assistant: Message
    finish: str
    tool_message_id: str


@dataclass(frozen=True)
class LedgerCall:
    """A tool call that was started. Without a result nobody knows whether it ran."""

    call: ToolCall
    result: ToolReturn | None


@dataclass(frozen=True)
class RunFilter:
    """Which runs to list. None or empty: no matter. `before`/`after` are run ids, in the order of the list."""

    ids: tuple[str, ...] = ()
    agent_ids: tuple[str, ...] = ()
    conversation_id: str = ""
    statuses: tuple[RunStatus, ...] = ()
    background: bool | None = None
    stop_reason: str = ""
    before: str = ""
    after: str = ""
    limit: int = 100
    ascending: bool = False


@dataclass(frozen=True)
class StepFilter:
    """Which steps to list. None or empty: no matter. `before`/`after` are step ids, in the order of the list."""

    run_id: str = ""
    agent_id: str = ""
    model: str = ""
    start_date: datetime | None = None
    end_date: datetime | None = None
    before: str = ""
    after: str = ""
    limit: int = 50
    ascending: bool = False


@dataclass(frozen=True)
class Started:
    """The answer to a request: its run, which may have been there before (`attached`)."""

    run: Run
    attached: bool
