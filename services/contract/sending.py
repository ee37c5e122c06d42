"""Sending to an agent: requests, the answer in one piece, and the events of a stream."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from services.contract.content import Content
from services.contract.counts import EventNumber, PositiveCount
from services.contract.json_object import JsonObject
from services.contract.messages import Message, MessagePiece, MessageType
from services.contract.new_messages import AnyNewMessage, NewMessage
from services.contract.on_busy import OnBusy
from services.contract.stop_reasons import StopReason

DEFAULT_MAX_STEPS = 50  # model calls in one turn
MAX_MESSAGES = 1_000  # that one turn begins with; they are stored in one transaction
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what every provider takes


def _is_tool_name(name: str) -> str:
    if not _TOOL_NAME.fullmatch(name):
        raise PydanticCustomError("tool_name", "The name of a tool is 1 to 64 of the characters A-Z, a-z, 0-9, _ and -")
    return name


class ClientTool(BaseModel):
    """A tool that runs at the client, for this request."""

    name: Annotated[str, AfterValidator(_is_tool_name)]
    description: str | None = None
    parameters: JsonObject | None = None


class ClientSkill(BaseModel):
    """A skill of the client that the model is told of, for this request."""

    name: str
    description: str
    location: str


class ShownAs(BaseModel):
    """How the messages of an answer are shown."""

    use_assistant_message: bool = True
    assistant_message_tool_name: str = "send_message"
    assistant_message_tool_kwarg: str = "message"
    include_return_message_types: list[MessageType] | None = None


class AnswerShownAs(ShownAs):
    """How a sender wants its own answer shown: of a run, the rest is told too."""

    include_compaction_messages: bool = False


class TurnRequest(AnswerShownAs):
    """What starts a turn: `messages` or `input`, and what holds for this turn only.

    `on_busy`: what to do where the conversation is busy; by default what the conversation says, else the server.
    Calls that wait for the client are denied after `approval_expires_s`; by default when the server says so, or never.
    """

    messages: Annotated[list[AnyNewMessage], Field(max_length=MAX_MESSAGES)] | None = None
    input: Content | None = None
    max_steps: PositiveCount = DEFAULT_MAX_STEPS
    enable_thinking: str | bool = True
    client_tools: list[ClientTool] | None = None
    client_skills: list[ClientSkill] | None = None
    override_model: str | None = None
    override_system: str | None = None
    on_busy: OnBusy | None = None
    approval_expires_s: PositiveCount | None = None

    @model_validator(mode="after")
    def _has_one_input(self) -> Self:
        if self.messages is not None and self.input is not None:
            raise PydanticCustomError("input_twice", "Use either 'messages' or 'input', not both")
        if self.messages is None and self.input is None:
            raise PydanticCustomError("missing", "Either 'messages' or 'input' is required")
        if self.messages == []:
            raise PydanticCustomError("too_short", "'messages' must not be empty")
        return self

    @property
    def new_messages(self) -> list[AnyNewMessage]:
        """The messages that the turn begins with, whichever field they came in."""
        if self.messages is not None:
            return self.messages
        return [NewMessage(role="user", content=self.input or "")]

    @property
    def is_background(self) -> bool:
        """Whether its caller may leave and come back."""
        return False

    @property
    def wants_tokens(self) -> bool:
        """Whether its caller wants messages in pieces, as the model writes them."""
        return False

    @property
    def callback(self) -> str:
        """Where its end is announced; empty: nowhere."""
        return ""


class AsyncSendRequest(TurnRequest):
    """A turn whose caller does not wait for it."""

    callback_url: str | None = None

    @property
    def is_background(self) -> bool:
        """Whoever does not wait has to come back."""
        return True

    @property
    def callback(self) -> str:
        """Where its end is announced; empty: nowhere."""
        return self.callback_url or ""


class StreamRequest(TurnRequest):
    """A turn whose events are streamed."""

    stream_tokens: bool = False
    include_pings: bool = True
    background: bool = False

    @property
    def is_background(self) -> bool:
        """As it says."""
        return self.background

    @property
    def wants_tokens(self) -> bool:
        """As it says."""
        return self.stream_tokens


class SendRequest(StreamRequest):
    """A turn that is answered in one piece unless `streaming` is set."""

    streaming: bool = False

    @model_validator(mode="after")
    def _streams_what_needs_a_stream(self) -> Self:
        for option in ("background", "stream_tokens"):
            if getattr(self, option) and not self.streaming:
                raise PydanticCustomError(
                    "needs_streaming",
                    "'{option}' needs 'streaming: true'",
                    {"option": option},
                )
        return self


class ConversationSendRequest(SendRequest):
    """A turn in a conversation, streamed unless said otherwise. `agent_id` goes with the conversation "default"."""

    agent_id: str | None = None
    streaming: bool = True


class FollowRequest(BaseModel):
    """Which run to follow, and from which event on. By default the active run, from its beginning.

    Clients also send how often to poll; nothing is polled here.
    """

    agent_id: str | None = None
    run_id: str | None = None
    otid: str | None = None
    starting_after: EventNumber = 0
    include_pings: bool | None = True


class CancelRequest(BaseModel):
    """Which runs to cancel. By default all active ones."""

    run_ids: list[str] | None = None


class Ping(MessagePiece):
    """A sign of life in a stream."""

    message_type: Literal["ping"] = "ping"


class StopReasonEvent(BaseModel):
    """Why the run ended."""

    message_type: Literal["stop_reason"] = "stop_reason"
    stop_reason: StopReason


class UsageEvent(BaseModel):
    """The tokens of the committed steps of a run."""

    message_type: Literal["usage_statistics"] = "usage_statistics"
    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0
    step_count: int = 0
    run_ids: list[str] | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    context_tokens: int | None = None


class ErrorEvent(BaseModel):
    """What went wrong in a run whose stream had begun."""

    message_type: Literal["error_message"] = "error_message"
    run_id: str
    error_type: str
    message: str
    detail: str | None = None
    seq_id: int | None = None


Event = Annotated[
    Message | Ping | StopReasonEvent | UsageEvent | ErrorEvent,
    Field(discriminator="message_type"),
]


class SendResponse(BaseModel):
    """A turn in one piece."""

    messages: list[Message]
    stop_reason: StopReasonEvent
    usage: UsageEvent
    logprobs: JsonObject | None = None
    turns: list[JsonObject] | None = None
