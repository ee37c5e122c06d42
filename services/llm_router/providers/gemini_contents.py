"""Conversations as contents of Gemini."""

import base64
from collections.abc import Iterator, Mapping, Sequence

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_TOOL, Image, Message, Part
from services.llm_router.images import UNSEEN_IMAGE, media_type
from services.llm_router.prompt import MAX_NAME, Prompt
from services.llm_router.providers.spoken import CONTINUE, Json, describe_return, read_arguments, system_aside, text_of

# Stands in for the signature of a call that another provider's model made.
# https://ai.google.dev/gemini-api/docs/thought-signatures
_UNSIGNED = "skip_thought_signature_validator"


def function_name(name: str) -> str:
    """The name of a tool as Gemini takes it: it has to begin with a letter or an underscore.

    https://ai.google.dev/gemini-api/docs/function-calling
    """
    return name if name[0].isalpha() or name[0] == "_" else f"_{name}"[:MAX_NAME]


def build_contents(prompt: Prompt, messages: Sequence[Message]) -> list[Json]:
    """The conversation without its system prompt: from the user to the user, the model speaking in one piece."""
    contents: list[Json] = []
    ids = _own_ids(prompt, messages)
    for message in messages:
        for content in _build(prompt, message, ids):
            if content["role"] == "model" and contents and contents[-1]["role"] == "model":
                contents[-1]["parts"] += content["parts"]
            elif content["parts"]:
                contents.append(content)
    if not contents or contents[0]["role"] != "user":
        contents.insert(0, _nudge())
    if contents[-1]["role"] != "user":
        contents.append(_nudge())
    return contents


def _nudge() -> Json:
    return {"role": "user", "parts": [{"text": CONTINUE}]}


def _own_ids(prompt: Prompt, messages: Sequence[Message]) -> dict[str, str]:
    """The ids that Gemini gave its calls, by those that they have here: a return must repeat the id of its call."""
    own = (part for message in messages if prompt.is_own(message) for part in message.parts)
    calls = ((part.tool_call.id, _data(part)) for part in own if part.HasField("tool_call"))
    return {call_id: data["id"] for call_id, data in calls if "id" in data}


def _data(part: Part) -> Json:
    return orjson.loads(part.provider_data) if part.provider_data else {}


def _build(prompt: Prompt, message: Message, ids: Mapping[str, str]) -> Iterator[Json]:
    sees = prompt.model.vision
    if message.role == ROLE_ASSISTANT:
        yield {"role": "model", "parts": list(_spoken(message, is_own=prompt.is_own(message)))}
    elif message.role == ROLE_TOOL:
        yield {"role": "user", "parts": [_return(part, ids, sees=sees) for part in message.parts]}
        images = [image for part in message.parts for image in part.tool_return.images]
        yield {"role": "user", "parts": list(map(_image, images)) if sees else []}
    elif message.role == ROLE_SYSTEM:
        yield {"role": "user", "parts": [{"text": system_aside(text_of(message.parts))}]}
    else:
        yield {
            "role": "user",
            "parts": [_piece(part, sees=sees) for part in message.parts if part.text or _is_image(part)],
        }


def _is_image(part: Part) -> bool:
    return part.HasField("image")


def _spoken(message: Message, *, is_own: bool) -> Iterator[Json]:
    """Text and calls, signed as they came; thoughts are summaries that the model does not need back."""
    is_signed = False
    for part in message.parts:
        data = _data(part) if is_own else {}
        signature = {"thoughtSignature": data["thoughtSignature"]} if "thoughtSignature" in data else {}
        if part.HasField("tool_call"):
            call: Json = {"name": function_name(part.tool_call.name), "args": read_arguments(part.tool_call)}
            if "id" in data:
                call["id"] = data["id"]
            # The first call of an answer must be signed, the others need not.
            yield {"functionCall": call, **(signature or ({} if is_signed else {"thoughtSignature": _UNSIGNED}))}
            is_signed = True
        elif part.text:
            yield {"text": part.text, **signature}


def _return(part: Part, ids: Mapping[str, str], *, sees: bool) -> Json:
    result = part.tool_return
    told = describe_return(result)
    if result.images and not sees:
        told["message"] += f"\n{UNSEEN_IMAGE}" * len(result.images)
    given_id = {"id": ids[result.call_id]} if result.call_id in ids else {}
    return {"functionResponse": {**given_id, "name": function_name(result.name), "response": told}}


def _piece(part: Part, *, sees: bool) -> Json:
    if _is_image(part):
        return _image(part.image) if sees else {"text": UNSEEN_IMAGE}
    return {"text": part.text}


def _image(image: Image) -> Json:
    if image.url:
        return {"fileData": {"fileUri": image.url, **({"mimeType": image.media_type} if image.media_type else {})}}
    return {"inlineData": {"mimeType": media_type(image), "data": base64.b64encode(image.data).decode()}}
