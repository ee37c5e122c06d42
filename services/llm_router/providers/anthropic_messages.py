"""Conversations as messages of Anthropic."""

import base64
from collections.abc import Iterable, Iterator, Sequence

import orjson

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    TOOL_STATUS_ERROR,
    Image,
    Message,
    Part,
)
from services.llm_router.images import UNSEEN_IMAGE, media_type
from services.llm_router.prompt import Prompt
from services.llm_router.providers.spoken import CONTINUE, Json, print_return, read_arguments, system_aside, text_of

CACHED = {"type": "ephemeral"}  # https://platform.claude.com/docs/en/build-with-claude/prompt-caching
_THINKING = ("thinking", "redacted_thinking")


def build_messages(prompt: Prompt, messages: Sequence[Message]) -> list[Json]:
    """The conversation without its system prompt; the last block is marked for the prompt cache."""
    turns = [_with_thoughts_in_place(turn) for turn in _join(_build(prompt, message) for message in messages)]
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, _nudge())
    if turns[-1]["role"] != "user":
        turns.append(_nudge())
    turns[-1]["content"][-1]["cache_control"] = CACHED
    return turns


def can_think(turns: Sequence[Json]) -> bool:
    """Whether thinking may be on: not while tools are called in a turn that began without it.

    A text right behind results begins no turn: it stands in their message.
    https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks
    """
    for turn in reversed(turns):
        first = turn["content"][0]["type"]
        if turn["role"] == "user" and first != "tool_result":
            return True
        if turn["role"] == "assistant" and first not in _THINKING:
            return False
    return True


def _join(built: Iterable[Json]) -> list[Json]:
    """Neighbours of one role as one message, which is how Anthropic reads them; empty ones left out."""
    turns: list[Json] = []
    for turn in built:
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += turn["content"]
        elif turn["content"]:
            turns.append(turn)
    return turns


def _with_thoughts_in_place(turn: Json) -> Json:
    """The message without its thoughts where it does not begin with one: Anthropic would refuse it."""
    if turn["role"] != "assistant" or turn["content"][0]["type"] in _THINKING:
        return turn
    return {**turn, "content": [block for block in turn["content"] if block["type"] not in _THINKING]}


def _nudge() -> Json:
    return {"role": "user", "content": [{"type": "text", "text": CONTINUE}]}


def _build(prompt: Prompt, message: Message) -> Json:
    if message.role == ROLE_ASSISTANT:
        recalls = prompt.model.reasoning and prompt.is_own(message)
        return {"role": "assistant", "content": list(_assistant(message, recalls=recalls))}
    if message.role == ROLE_TOOL:
        return {"role": "user", "content": [_return(part, sees=prompt.model.vision) for part in message.parts]}
    if message.role == ROLE_SYSTEM:
        return {"role": "user", "content": [{"type": "text", "text": system_aside(text_of(message.parts))}]}
    return {"role": "user", "content": list(_pieces(message.parts, sees=prompt.model.vision))}


def _assistant(message: Message, *, recalls: bool) -> Iterator[Json]:
    for part in message.parts:
        if part.HasField("reasoning"):
            if recalls and part.provider_data:
                yield _thought(part)
        elif part.HasField("tool_call"):
            call = part.tool_call
            yield {"type": "tool_use", "id": call.id, "name": call.name, "input": read_arguments(call)}
        elif part.text.strip():
            yield {"type": "text", "text": part.text}


def _thought(part: Part) -> Json:
    data: Json = orjson.loads(part.provider_data)
    if "signature" in data:
        return {"type": "thinking", "thinking": part.reasoning.text, **data}
    return {"type": "redacted_thinking", **data}


def _return(part: Part, *, sees: bool) -> Json:
    result = part.tool_return
    text = print_return(result, sees=sees)
    block: Json = {"type": "tool_result", "tool_use_id": result.call_id, "content": text}
    if sees and result.images:  # which no error may have: that it is one stands in the text
        return {**block, "content": [{"type": "text", "text": text}, *map(_image, result.images)]}
    return {**block, "is_error": True} if result.status == TOOL_STATUS_ERROR else block


def _pieces(parts: Sequence[Part], *, sees: bool) -> Iterator[Json]:
    for part in parts:
        if part.HasField("image"):
            yield _image(part.image) if sees else {"type": "text", "text": UNSEEN_IMAGE}
        elif part.text.strip():
            yield {"type": "text", "text": part.text}


def _image(image: Image) -> Json:
    if image.url:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    data = base64.b64encode(image.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": media_type(image), "data": data}}
