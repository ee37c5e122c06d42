"""Parts of messages in words and values, as more than one wire protocol needs them."""

from collections.abc import Iterable
from typing import Any

import orjson

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_ERROR, Image, Message, Part, ToolCall, ToolReturn

Json = dict[str, Any]  # a JSON object of a vendor's wire format
UNSEEN_IMAGE = "[An image was here, which this model cannot see.]"
_MEDIA_TYPE = "image/png"  # of bytes whose type nobody named


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


def system_text(messages: Iterable[Message]) -> str:
    """The texts of system messages as one."""
    return "\n\n".join(filter(None, (text_of(message.parts) for message in messages)))


def media_type(image: Image) -> str:
    """The media type of an image given by value."""
    return image.media_type or _MEDIA_TYPE
