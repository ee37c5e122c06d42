"""Conversations as messages of chat completions."""

import base64
from collections.abc import Iterator

import orjson

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    Image,
    Message,
    Part,
    ToolCall,
)
from services.llm_router.images import UNSEEN_IMAGE, media_type
from services.llm_router.prompt import Prompt
from services.llm_router.providers.spoken import CONTINUE, Json, print_return, read_arguments, text_of
from services.llm_router.vendors import ChatDialect

_NO_THOUGHTS = " "  # stands in for thoughts that nobody has; Moonshot takes an empty text for a missing one


def build_messages(prompt: Prompt, dialect: ChatDialect) -> list[Json]:
    """The conversation; thoughts of the provider's own models go back where it has a field for them."""
    built: list[Json] = []
    for message in prompt.messages:
        if message.role == ROLE_SYSTEM:
            built.append({"role": "system", "content": text_of(message.parts)})
        elif message.role == ROLE_ASSISTANT:
            built.append(_assistant(message, dialect, is_own=prompt.is_own(message)))
        elif message.role == ROLE_TOOL:
            built += _returns(message, sees=prompt.model.vision)
        else:
            built.append({"role": "user", "content": _content(message, sees=prompt.model.vision)})
    return _with_user(built)


def _with_user(built: list[Json]) -> list[Json]:
    """The messages with one of a user among them: last, or first where results wait for the model to go on.

    Z.ai refuses a conversation without a user, and whatever else stands in it.
    """
    if any(message["role"] == "user" for message in built):
        return built
    speaks_next = bool(built) and built[-1]["role"] == "tool"
    place = [message["role"] for message in built].index("assistant") if speaks_next else len(built)
    return [*built[:place], {"role": "user", "content": CONTINUE}, *built[place:]]


def _assistant(message: Message, dialect: ChatDialect, *, is_own: bool) -> Json:
    calls = [_call(part.tool_call) for part in message.parts if part.HasField("tool_call")]
    built: Json = {"role": "assistant", "content": text_of(message.parts) or None}
    if calls:
        built["tool_calls"] = calls
    thoughts = "".join(part.reasoning.text for part in message.parts) if is_own else ""
    if calls and dialect.misses_thoughts:
        thoughts = thoughts or _NO_THOUGHTS
    if dialect.reasoning_field and thoughts:
        built[dialect.reasoning_field] = thoughts
    return built


def _call(call: ToolCall) -> Json:
    arguments = orjson.dumps(read_arguments(call)).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _returns(message: Message, *, sees: bool) -> Iterator[Json]:
    images: list[Image] = []
    for part in message.parts:
        result = part.tool_return
        yield {"role": "tool", "tool_call_id": result.call_id, "content": print_return(result, sees=sees)}
        images += result.images
    if sees and images:  # the results themselves may only hold text
        yield {"role": "user", "content": [_image(image) for image in images]}


def _content(message: Message, *, sees: bool) -> str | list[Json]:
    if all(part.HasField("text") for part in message.parts):
        return text_of(message.parts)
    return [_piece(part, sees=sees) for part in message.parts]


def _piece(part: Part, *, sees: bool) -> Json:
    if part.HasField("image"):
        return _image(part.image) if sees else {"type": "text", "text": UNSEEN_IMAGE}
    return {"type": "text", "text": part.text}


def _image(image: Image) -> Json:
    detail = {"detail": image.detail} if image.detail else {}
    return {"type": "image_url", "image_url": {"url": image_url(image), **detail}}


def image_url(image: Image) -> str:
    """The address of an image; one given by value as a data address."""
    return image.url or f"data:{media_type(image)};base64,{base64.b64encode(image.data).decode()}"
