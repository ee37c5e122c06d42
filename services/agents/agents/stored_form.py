"""Messages whole, in the form of the context overview."""

from collections.abc import Sequence
from datetime import UTC
from typing import Literal

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_SUMMARY,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_SUCCESS,
    Message,
    Part,
    Role,
    ToolCall,
    ToolReturn,
)
from services.contract.content import Part as ShownPart
from services.contract.content import ReasoningPart, TextPart
from services.contract.stored_messages import StoredFunction, StoredMessage, StoredToolCall, StoredToolReturn

RoleName = Literal["assistant", "user", "tool", "function", "system", "approval", "summary"]
_ROLES: dict[Role.ValueType, RoleName] = {
    ROLE_SYSTEM: "system",
    ROLE_USER: "user",
    ROLE_ASSISTANT: "assistant",
    ROLE_TOOL: "tool",
    ROLE_APPROVAL: "approval",
    ROLE_SUMMARY: "summary",
}


def show_stored(message: Message) -> StoredMessage:
    """The message whole. An agent's own history has no conversation id in the public API."""
    returns = [part.tool_return for part in message.parts if part.HasField("tool_return")]
    calls = [part.tool_call for part in message.parts if part.HasField("tool_call")]
    is_own = message.conversation_id == message.agent_id
    return StoredMessage(
        id=message.id,
        created_at=message.created_at.ToDatetime(tzinfo=UTC),
        agent_id=message.agent_id,
        model=message.model.partition("/")[2] or None,
        role=_ROLES[message.role],
        content=_content(message.parts, returns),
        name=message.name or None,
        tool_calls=[_call(call) for call in calls] or None,
        tool_call_id=returns[0].call_id if returns else None,
        step_id=message.step_id or None,
        run_id=message.run_id or None,
        otid=message.otid or None,
        tool_returns=[_return(returned) for returned in returns],
        group_id=message.group_id or None,
        sender_id=message.sender_id or None,
        conversation_id=None if is_own else message.conversation_id,
    )


def _content(parts: Sequence[Part], returns: Sequence[ToolReturn]) -> list[ShownPart]:
    content: list[ShownPart] = [TextPart(text=returned.value) for returned in returns]
    for part in parts:
        if part.HasField("reasoning"):
            content.append(ReasoningPart(is_native=bool(part.provider_data), reasoning=part.reasoning.text))
        elif part.WhichOneof("kind") == "text":
            content.append(TextPart(text=part.text))
    return content


def _call(call: ToolCall) -> StoredToolCall:
    return StoredToolCall(id=call.id, function=StoredFunction(name=call.name, arguments=call.arguments))


def _return(returned: ToolReturn) -> StoredToolReturn:
    return StoredToolReturn(
        tool_call_id=returned.call_id,
        status="success" if returned.status == TOOL_STATUS_SUCCESS else "error",
        stdout=list(returned.stdout) or None,
        stderr=list(returned.stderr) or None,
        func_response=returned.value,
    )
