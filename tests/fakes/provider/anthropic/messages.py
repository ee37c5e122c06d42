"""Anthropic messages.  https://docs.claude.com/en/api/messages"""

import secrets
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from tests.fakes.provider.answer import Answer
from tests.fakes.provider.anthropic.history import blocks_of, read_messages
from tests.fakes.provider.anthropic.parameters import check_parameters, read_choice, read_format, read_tools, thinks
from tests.fakes.provider.anthropic.vendor import Anthropic, invalid
from tests.fakes.provider.prompt import Body, Prompt
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.request_body import as_text, parse_arguments
from tests.fakes.provider.seal import seal
from tests.fakes.provider.tokens import PromptCache, Usage, count_tokens, split_tokens
from tests.fakes.provider.vendor import Completion, Frame

_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
_MIN_CACHED_TOKENS = 1024  # https://docs.claude.com/en/docs/build-with-claude/prompt-caching


class AnthropicMessages:
    """The messages of Anthropic."""

    vendor = Anthropic()

    def read(self, request: web.Request, body: Body) -> Prompt:
        """The prompt in a request; refuses what the vendor would refuse."""
        if "anthropic-version" not in request.headers:
            raise invalid("anthropic-version: header is required")
        check_parameters(body, beta="anthropic-beta" in request.headers)
        choice = body.get("tool_choice") or {}
        return Prompt(
            model=body["model"],
            turns=read_messages(body["messages"], thinks=thinks(body)),
            segments=tuple(map(as_text, _parts(body))),
            system=_read_system(body),
            tools=read_tools(body),
            choice=read_choice(body),
            parallel=not choice.get("disable_parallel_tool_use"),
            json_format=read_format(body),
            reasons=thinks(body),
            max_output_tokens=body["max_tokens"],
        )

    def wants_stream(self, request: web.Request, body: Body) -> bool:
        """Whether the answer is to be streamed."""
        return bool(body.get("stream"))

    def overflow(self, prompt: Prompt, tokens: int, window: int) -> Refusal:
        """The refusal of a prompt that is larger than the window."""
        return invalid(f"prompt is too long: {tokens} tokens > {window} maximum")

    def count(self, body: Body, prompt: Prompt, answer: Answer, cache: PromptCache) -> Usage:
        """Usage; the cache is used up to the last mark in the request, and not without one."""
        tokens = sum(map(count_tokens, prompt.segments))
        marked = prompt.segments[: _last_mark(body)]
        cached = cache.reuse(marked) if marked else 0
        written = sum(map(count_tokens, marked)) - cached
        return Usage(
            input=tokens,
            output=max(1, answer.tokens),
            cached=cached,
            cache_written=written if written + cached >= _MIN_CACHED_TOKENS else 0,
            reasoning=answer.reasoning_tokens,
        )

    def whole(self, completion: Completion) -> Body:
        """A `message`."""
        answer = completion.answer
        message = _open(completion)
        return {
            **message,
            "content": _print_blocks(answer),
            "stop_reason": _STOP_REASONS[answer.finish],
            "usage": {**message["usage"], **_print_output(completion)},
        }

    def frames(self, completion: Completion) -> Iterator[Frame]:
        """Named events from `message_start` to `message_stop`."""
        message = _open(completion)
        message["usage"]["output_tokens"] = 1
        yield _event("message_start", message=message)
        yield _event("ping")
        calls = iter(completion.answer.calls)
        for index, block in enumerate(_print_blocks(completion.answer)):
            raw_arguments = next(calls).arguments if block["type"] == "tool_use" else ""
            yield from _block_events(index, block, raw_arguments)
        delta = {"stop_reason": _STOP_REASONS[completion.answer.finish], "stop_sequence": None}
        yield _event("message_delta", delta=delta, usage={**_print_input(completion), **_print_output(completion)})
        yield _event("message_stop")

    def error_frame(self, refusal: Refusal) -> Frame:
        """An `error` event."""
        return Frame(_print_event(self.vendor.print_refusal(refusal)))


def _open(completion: Completion) -> Body:
    """The message as it is before anything was said."""
    return {
        "id": f"msg_01{secrets.token_hex(11)}",
        "type": "message",
        "role": "assistant",
        "model": completion.prompt.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**_print_input(completion), "service_tier": "standard"},
    }


def _parts(body: Body) -> list[Any]:  # Any: JSON
    """The input in the order in which it is cached."""
    return [body.get("tools") or [], body.get("system") or "", *body["messages"]]


def _last_mark(body: Body) -> int:
    """How many parts the last cache mark covers."""
    parts = _parts(body)
    if body.get("cache_control"):
        return len(parts)
    return max((i for i, part in enumerate(parts, start=1) if b'"cache_control":{' in orjson.dumps(part)), default=0)


def _read_system(body: Body) -> str:
    texts = [block.get("text", "") for block in blocks_of(body.get("system"))]
    if any(not text for text in texts):
        raise invalid("system: text content blocks must be non-empty")
    return "\n".join(texts)


def _print_blocks(answer: Answer) -> list[Body]:
    blocks: list[Body] = []
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": seal(answer.reasoning)})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for call in answer.calls:
        identifier = f"toolu_01{secrets.token_hex(11)}"
        blocks.append(
            {"type": "tool_use", "id": identifier, "name": call.name, "input": parse_arguments(call.arguments)}
        )
    return blocks


def _block_events(index: int, block: Body, raw_arguments: str) -> Iterator[Frame]:
    kind = block["type"]
    yield _event("content_block_start", index=index, content_block={**block, **_EMPTY[kind]})
    if kind == "thinking":
        for piece in split_tokens(block["thinking"]):
            yield _delta(index, "thinking_delta", thinking=piece)
        yield _event(
            "content_block_delta", index=index, delta={"type": "signature_delta", "signature": block["signature"]}
        )
    elif kind == "text":
        for piece in split_tokens(block["text"]):
            yield _delta(index, "text_delta", text=piece)
    else:
        for piece in ["", *split_tokens(raw_arguments)]:
            yield _delta(index, "input_json_delta", partial_json=piece)
    yield _event("content_block_stop", index=index)


def _print_input(completion: Completion) -> Body:
    usage = completion.usage
    return {
        "input_tokens": usage.input - usage.cached - usage.cache_written,
        "cache_creation_input_tokens": usage.cache_written,
        "cache_read_input_tokens": usage.cached,
    }


def _print_output(completion: Completion) -> Body:
    usage = completion.usage
    return {"output_tokens": usage.output, "output_tokens_details": {"thinking_tokens": usage.reasoning}}


def _delta(index: int, kind: str, **fields: str) -> Frame:
    return _event("content_block_delta", is_token=True, index=index, delta={"type": kind, **fields})


def _event(kind: str, *, is_token: bool = False, **fields: Any) -> Frame:  # Any: JSON
    return Frame(_print_event({"type": kind, **fields}), is_token)


def _print_event(body: Body) -> bytes:
    return f"event: {body['type']}\n".encode() + b"data: " + orjson.dumps(body) + b"\n\n"


# What a block lacks while it is being written.
_EMPTY: dict[str, Body] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}
