"""Messages as the API shows them: one stored message gives one or more pieces with the same id."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from services.contract.content import ShownPart, TextPart
from services.contract.json_object import JsonObject
from services.contract.timestamps import MessageDate
from services.contract.tool_returns import ApprovalAnswer, ReturnStatus, ToolReturn

MessageType = Literal[
    "system_message",
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "approval_request_message",
    "approval_response_message",
    "summary_message",
    "event_message",
]


class MessagePiece(BaseModel):
    """What every piece shows, in the order in which it is printed."""

    id: str
    date: MessageDate
    name: str | None = None
    message_type: str
    otid: str | None = None
    sender_id: str | None = None
    step_id: str | None = None
    is_err: bool | None = None
    seq_id: int | None = None
    run_id: str | None = None


class SystemMessage(MessagePiece):
    """Instructions to the agent."""

    message_type: Literal["system_message"] = "system_message"
    content: str


class UserMessage(MessagePiece):
    """What a user said."""

    message_type: Literal["user_message"] = "user_message"
    content: str | list[ShownPart]


class AssistantMessage(MessagePiece):
    """What the agent said."""

    message_type: Literal["assistant_message"] = "assistant_message"
    content: str | list[TextPart]


class ReasoningMessage(MessagePiece):
    """What the agent thought, told by a reasoning model itself or by an ordinary one."""

    message_type: Literal["reasoning_message"] = "reasoning_message"
    source: Literal["reasoner_model", "non_reasoner_model"] = "non_reasoner_model"
    reasoning: str
    signature: str | None = None


class HiddenReasoningMessage(MessagePiece):
    """That the agent thought, where the provider does not show it."""

    message_type: Literal["hidden_reasoning_message"] = "hidden_reasoning_message"
    state: Literal["redacted", "omitted"]
    hidden_reasoning: str | None = None


class ToolCall(BaseModel):
    """A call of a tool; `arguments` is JSON text."""

    name: str
    arguments: str
    tool_call_id: str


class ToolCallDelta(BaseModel):
    """A fragment of a call in a stream of tokens."""

    name: str | None = None
    arguments: str | None = None
    tool_call_id: str | None = None


class SparseToolCallDelta(ToolCallDelta):
    """A fragment that prints only what it holds."""

    @model_serializer(mode="wrap")
    def _leave_out_nulls(self, print_all: SerializerFunctionWrapHandler) -> dict[str, str]:
        return {name: value for name, value in print_all(self).items() if value is not None}


class ToolCallMessage(MessagePiece):
    """The calls of one step that need nobody's approval. `tool_call` repeats the first."""

    message_type: Literal["tool_call_message"] = "tool_call_message"
    tool_call: ToolCall | SparseToolCallDelta
    tool_calls: list[ToolCall] | SparseToolCallDelta | None = None


class ApprovalRequestMessage(MessagePiece):
    """The calls of one step that wait for an approval or for the client. `tool_call` repeats the first."""

    message_type: Literal["approval_request_message"] = "approval_request_message"
    tool_call: ToolCall | ToolCallDelta
    tool_calls: list[ToolCall] | ToolCallDelta | None = None


class ToolReturnMessage(MessagePiece):
    """What the calls of one step returned. The single fields repeat the first of `tool_returns`."""

    message_type: Literal["tool_return_message"] = "tool_return_message"
    tool_return: str
    status: ReturnStatus
    tool_call_id: str
    stdout: list[str] | None = None
    stderr: list[str] | None = None
    tool_returns: list[ToolReturn] | None = None


class ApprovalResponseMessage(MessagePiece):
    """The answer to a request for approval. The single fields repeat the first of `approvals`."""

    message_type: Literal["approval_response_message"] = "approval_response_message"
    approvals: list[ApprovalAnswer] | None = None
    approve: bool | None = None
    approval_request_id: str | None = None
    reason: str | None = None


class CompactionStats(BaseModel):
    """What a compaction did to the context window."""

    trigger: str
    context_tokens_before: int | None = None
    context_tokens_after: int | None = None
    context_window: int
    messages_count_before: int
    messages_count_after: int


class SummaryMessage(MessagePiece):
    """The summary that took the place of older messages."""

    message_type: Literal["summary_message"] = "summary_message"
    summary: str
    compaction_stats: CompactionStats | None = None


class EventMessage(MessagePiece):
    """That something happened to the conversation."""

    message_type: Literal["event_message"] = "event_message"
    event_type: Literal["compaction"]
    event_data: JsonObject


Message = Annotated[
    SystemMessage
    | UserMessage
    | AssistantMessage
    | ReasoningMessage
    | HiddenReasoningMessage
    | ToolCallMessage
    | ToolReturnMessage
    | ApprovalRequestMessage
    | ApprovalResponseMessage
    | SummaryMessage
    | EventMessage,
    Field(discriminator="message_type"),
]
