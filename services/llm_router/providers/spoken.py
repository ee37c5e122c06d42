"""Parts of messages in words and values, as more than one wire protocol needs them."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from perdure.conversation.v1.message_pb2 import (
    ROLE_SYSTEM,
    TOOL_STATUS_ERROR,
    Message,
    Part,
    ToolCall,
    ToolReturn,
)
from services.llm_router.images import UNSEEN_IMAGE
from services.llm_router.prompt import Prompt

Json = dict[str, Any]  # a JSON object of a vendor's wire format
CONTINUE = "Continue."  # stands in where a provider wants the user to speak first, or last
_JSON_ORDER = "Answer with one JSON object and nothing else."


def read_arguments(call: ToolCall) -> Json:
    """The arguments of a call; broken ones become an object that shows them, so that the model can see its mistake."""
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return {"unreadable_arguments": call.arguments}
    return arguments if isinstance(arguments, dict) else {"unreadable_arguments": call.arguments}


def describe_return(result: ToolReturn) -> Json:
    """What a model is told of the end of a call: `{status, message, time}`."""
    status = "Failed" if result.status == TOOL_STATUS_ERROR else "OK"
    told: Json = {"status": status, "message": result.value}
    if result.HasField("ended_at"):
        told["time"] = result.ended_at.ToJsonString()
    return told


def print_return(result: ToolReturn, *, sees: bool) -> str:
    """The same as JSON text; images of the result are mentioned when the model cannot see them."""
    told = describe_return(result)
    if result.images and not sees:
        told["message"] += "".join(f"\n{UNSEEN_IMAGE}" for _ in result.images)
    return orjson.dumps(told).decode()


def text_of(parts: Iterable[Part]) -> str:
    """The text parts, joined; images and all else left out."""
    return "".join(part.text for part in parts if part.HasField("text"))


def split_system(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The text of the system messages at the beginning, and the rest."""
    count = next((i for i, message in enumerate(messages) if message.role != ROLE_SYSTEM), len(messages))
    texts = (text_of(message.parts) for message in messages[:count])
    return "\n\n".join(filter(None, texts)), messages[count:]


def system_aside(text: str) -> str:
    """What the system says in mid-conversation, for providers where only the user and the model speak there."""
    return f"<system>{text}</system>"


def json_order(json_schema: str) -> str:
    """The wish for a JSON answer, in words, for providers that cannot be held to it or want it said besides."""
    schema = orjson.loads(json_schema).get("schema") if json_schema else None
    return f"{_JSON_ORDER} It must fit this JSON schema: {orjson.dumps(schema).decode()}" if schema else _JSON_ORDER


def bounded_output(prompt: Prompt) -> int:
    """The bound on the answer that the settings ask for, within what the model can do."""
    asked = prompt.settings.max_output_tokens
    return min(asked, prompt.model.output_limit or asked)
