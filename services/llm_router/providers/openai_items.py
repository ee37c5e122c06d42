"""Conversations as input items of responses."""

from collections.abc import Iterator

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_TOOL, Image, Message, Part
from services.llm_router.images import UNSEEN_IMAGE
from services.llm_router.prompt import Prompt
from services.llm_router.providers.openai_messages import image_url
from services.llm_router.providers.spoken import CONTINUE, Json, print_return, read_arguments, text_of


def build_items(prompt: Prompt) -> list[Json]:
    """The conversation; reasoning items of the provider's own models go back as they came."""
    items: list[Json] = []
    for message in prompt.messages:
        if message.role == ROLE_SYSTEM:
            items.append({"role": "developer", "content": text_of(message.parts)})
        elif message.role == ROLE_ASSISTANT:
            items += _assistant(message, is_own=prompt.is_own(message))
        elif message.role == ROLE_TOOL:
            items += (_return(part, sees=prompt.model.vision) for part in message.parts)
        else:
            content = [_piece(part, sees=prompt.model.vision) for part in message.parts]
            items.append({"role": "user", "content": content})
    return items or [{"role": "user", "content": CONTINUE}]


def _assistant(message: Message, *, is_own: bool) -> Iterator[Json]:
    for part in message.parts:
        data: Json = orjson.loads(part.provider_data) if is_own and part.provider_data else {}
        if part.HasField("reasoning") and "encrypted_content" in data:
            yield data
        elif part.text:
            content = [{"type": "output_text", "text": part.text}]
            yield {"type": "message", "role": "assistant", "content": content, **data}
        elif part.HasField("tool_call"):
            call = part.tool_call
            arguments = orjson.dumps(read_arguments(call)).decode()
            yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}


def _return(part: Part, *, sees: bool) -> Json:
    result = part.tool_return
    text = print_return(result, sees=sees)
    item: Json = {"type": "function_call_output", "call_id": result.call_id, "output": text}
    if sees and result.images:
        item["output"] = [{"type": "input_text", "text": text}, *map(_image, result.images)]
    return item


def _piece(part: Part, *, sees: bool) -> Json:
    if part.HasField("image") and sees:
        return _image(part.image)
    return {"type": "input_text", "text": UNSEEN_IMAGE if part.HasField("image") else part.text}


def _image(image: Image) -> Json:
    return {"type": "input_image", "image_url": image_url(image), "detail": image.detail or "auto"}
