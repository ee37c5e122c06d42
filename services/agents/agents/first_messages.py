"""The messages with which an agent's own history begins."""

import uuid
from collections.abc import Sequence

import orjson

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_USER,
    TOOL_STATUS_SUCCESS,
    Message,
    Part,
    Reasoning,
    ToolCall,
    ToolReturn,
)
from services.agents.agents.agent_types import REHEARSED_TYPES
from services.agents.memory.prompt import local_time
from services.agents.messages.drafts import Origin
from services.common.errors import InvalidArgument
from services.contract.agents import AgentType
from services.contract.content import TextPart
from services.contract.new_messages import NewMessage

_ROLES = {"user": ROLE_USER, "system": ROLE_SYSTEM, "assistant": ROLE_ASSISTANT}
_THOUGHT = "I have just been started. First I make sure that my words arrive."
_GREETING = "Hello, I am here."


def first_messages(
    origin: Origin, system: str, agent_type: AgentType, timezone: str, sent: Sequence[NewMessage] | None
) -> list[Message]:
    """The system message, then what the creator sent, or else the older types' exchange of first messages."""
    messages = [origin.text(ROLE_SYSTEM, system)]
    if sent is not None:
        return messages + [_given(origin, message) for message in sent]
    if agent_type in REHEARSED_TYPES:
        messages += _rehearsal(origin, timezone)
    return messages


def _given(origin: Origin, sent: NewMessage) -> Message:
    """Raises `InvalidArgument` for parts that are not text."""
    parts = [TextPart(text=sent.content)] if isinstance(sent.content, str) else sent.content
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) < len(parts):
        raise InvalidArgument("initial_message_sequence may hold text only.")
    return origin.given(
        Message(
            role=_ROLES[sent.role],
            parts=[Part(text=text) for text in texts],
            otid=sent.otid or "",
            name=sent.name or "",
            sender_id=sent.sender_id or "",
            group_id=sent.group_id or "",
        )
    )


def _rehearsal(origin: Origin, timezone: str) -> list[Message]:
    """A call of send_message with its return, and the first login: the form that the model is to follow."""
    time = local_time(origin.made_at, timezone)
    call_id = f"call_{uuid.uuid4().hex}"  # OpenAI takes at most 40 characters
    call = ToolCall(id=call_id, name="send_message", arguments=orjson.dumps({"message": _GREETING}).decode())
    returned = ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_SUCCESS, value="OK", executed=True)
    login = {"type": "login", "last_login": "Never (first login)", "time": time}
    spoken = Message(
        role=ROLE_ASSISTANT, parts=[Part(reasoning=Reasoning(text=_THOUGHT, in_call=True)), Part(tool_call=call)]
    )
    return [origin.stamp(spoken), origin.returns([returned]), origin.text(ROLE_USER, orjson.dumps(login).decode())]
