"""Reading the messages of a request, as strictly as Anthropic."""

import re
from typing import Literal

from tests.fakes.provider.anthropic.vendor import invalid
from tests.fakes.provider.prompt import Body, ToolCall, ToolReturn, Turn
from tests.fakes.provider.seal import is_seal, seals

_ROLES: dict[str, Literal["user", "assistant"]] = {"user": "user", "assistant": "assistant"}
_BLOCKS = {
    "user": ("text", "image", "document", "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
}
_THOUGHTS = ("thinking", "redacted_thinking")
_ID = re.compile(r"^[a-zA-Z0-9_-]+$")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def read_messages(messages: list[Body], *, thinks: bool) -> tuple[Turn, ...]:
    """The conversation, neighbours of the same role joined as the vendor does.

    Raises:
        Refusal: an unknown role or block, empty content, calls and returns that do not pair, altered thinking.
    """
    if not messages:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(message, index)
    joined = _join(messages)
    if joined[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')
    _check_pairs(joined)
    _check_thoughts_lead(joined)
    if thinks:
        _check_thinking_first(joined)
    return tuple(_read_turn(message) for message in joined)


def blocks_of(content: object) -> list[Body]:
    """Content as blocks; a string is one block of text."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content) if isinstance(content, list) else []


def _check_message(message: Body, index: int) -> None:
    role = message.get("role")
    if role not in _ROLES:
        raise invalid(f"messages: Unexpected role \"{role}\". Allowed roles are 'user' or 'assistant'.")
    blocks = blocks_of(message.get("content"))
    if not blocks:
        raise invalid(f"messages.{index}: all messages must have non-empty content")
    for number, block in enumerate(blocks):
        _check_block(block, role, f"messages.{index}.content.{number}")


def _check_block(block: Body, role: str, place: str) -> None:
    kind = block.get("type")
    if kind not in _BLOCKS[role]:
        tags = ", ".join(f"'{name}'" for name in _BLOCKS[role])
        raise invalid(f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}")
    if kind == "text":
        _check_text(block)
    elif kind == "thinking":
        _check_thinking(block, place)
    elif kind == "redacted_thinking" and not is_seal(block.get("data")):
        raise invalid(f"{place}: Invalid `data` in `redacted_thinking` block")
    elif kind == "tool_use":
        _check_tool_use(block, f"{place}.tool_use")
    elif kind == "image":
        _check_image(block.get("source") or {}, f"{place}.image.source")
    elif kind == "tool_result":
        _check_result(block, f"{place}.tool_result")


def _check_text(block: Body) -> None:
    if not block.get("text"):
        raise invalid("messages: text content blocks must be non-empty")
    if not block["text"].strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")


def _check_result(block: Body, place: str) -> None:
    if not block.get("tool_use_id"):
        raise invalid(f"{place}.tool_use_id: Field required")
    for number, part in enumerate(blocks_of(block.get("content"))):
        if part.get("type") != "text" and block.get("is_error"):
            raise invalid(f"{place}: all content must be type `text` if `is_error` is true")
        if part.get("type") == "image":
            _check_image(part.get("source") or {}, f"{place}.content.{number}.image.source")


def _check_image(source: Body, place: str) -> None:
    if source.get("type") == "base64" and source.get("media_type") not in _IMAGE_TYPES:
        types = ", ".join(f"'{name}'" for name in _IMAGE_TYPES)
        raise invalid(f"{place}.base64.media_type: Input should be one of {types}")
    if source.get("type") == "url" and not source["url"].startswith("https://"):
        raise invalid(f"{place}.url.url: Only HTTPS URLs are supported.")


def _check_thinking(block: Body, place: str) -> None:
    if block.get("thinking") is None or block.get("signature") is None:
        missing = "thinking" if block.get("thinking") is None else "signature"
        raise invalid(f"{place}.thinking.{missing}: Field required")
    if not seals(block["signature"], block["thinking"]):
        raise invalid(f"{place}: Invalid `signature` in `thinking` block")


def _check_tool_use(block: Body, place: str) -> None:
    for name in ("id", "name", "input"):
        if name not in block:
            raise invalid(f"{place}.{name}: Field required")
    if not _ID.match(block["id"]):
        raise invalid(f"{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block["input"], dict):
        raise invalid(f"{place}.input: Input should be a valid dictionary")


def _join(messages: list[Body]) -> list[Body]:
    joined: list[Body] = []
    for message in messages:
        blocks = blocks_of(message["content"])
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1]["content"] += blocks
        else:
            joined.append({"role": message["role"], "content": blocks})
    return joined


def _check_pairs(messages: list[Body]) -> None:
    seen: set[str] = set()
    for index, message in enumerate(messages):
        called = [block["id"] for block in _blocks(message, "tool_use")]
        if seen.intersection(called) or len(set(called)) < len(called):
            raise invalid(f"messages.{index}: `tool_use` ids must be unique")
        seen.update(called)
        following = messages[index + 1] if index + 1 < len(messages) else {"content": []}
        _check_results(called, following, index)
    _check_orphans(messages)


def _check_results(called: list[str], following: Body, index: int) -> None:
    leading: list[str] = []
    for block in following["content"]:
        if block["type"] != "tool_result":
            break
        leading.append(block["tool_use_id"])
    missing = [call_id for call_id in called if call_id not in leading]
    if missing:
        raise invalid(
            f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )


def _check_orphans(messages: list[Body]) -> None:
    called: list[str] = []
    for index, message in enumerate(messages):
        for number, block in enumerate(message["content"]):
            if block["type"] != "tool_result":
                continue
            if block["tool_use_id"] not in called:
                raise invalid(
                    f"messages.{index}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
            called.remove(block["tool_use_id"])
        called = [block["id"] for block in _blocks(message, "tool_use")]


def _check_thoughts_lead(messages: list[Body]) -> None:
    for index, message in enumerate(messages):
        kinds = [block["type"] for block in message["content"]]
        if any(kind in _THOUGHTS for kind in kinds) and kinds[0] not in _THOUGHTS:
            raise invalid(
                f"messages.{index}.content.0: If an assistant message contains any thinking blocks, the first block "
                f"must be `thinking` or `redacted_thinking`. Found `{kinds[0]}`."
            )


def _check_thinking_first(messages: list[Body]) -> None:
    """While tools are being called, the model's message must begin with what it thought.

    https://docs.claude.com/en/docs/build-with-claude/extended-thinking#preserving-thinking-blocks
    """
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message["role"] == "user" and not _blocks(message, "tool_result"):
            return
        first = message["content"][0]["type"]
        if message["role"] == "assistant" and first not in ("thinking", "redacted_thinking"):
            raise invalid(
                f"messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. "
                "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding "
                "the lastmost set of `tool_use` and `tool_result` blocks)."
            )


def _read_turn(message: Body) -> Turn:
    return Turn(
        role=_ROLES[message["role"]],
        texts=tuple(block["text"] for block in _blocks(message, "text")),
        calls=tuple(ToolCall(block["name"], block["id"]) for block in _blocks(message, "tool_use")),
        returns=tuple(
            ToolReturn(block["tool_use_id"], _result_text(block)) for block in _blocks(message, "tool_result")
        ),
    )


def _result_text(block: Body) -> str:
    return "".join(part.get("text", "") for part in blocks_of(block.get("content")))


def _blocks(message: Body, kind: str) -> list[Body]:
    return [block for block in message["content"] if block["type"] == kind]
