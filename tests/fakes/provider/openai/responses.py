"""OpenAI responses.  https://platform.openai.com/docs/api-reference/responses"""

import secrets
import time
from collections.abc import Iterator

from aiohttp import web
from openai.types.responses import response_create_params

from tests.fakes.provider.answer import Answer
from tests.fakes.provider.catalog import is_reasoning_model
from tests.fakes.provider.openai.chat import check_model
from tests.fakes.provider.openai.response_events import ResponseEvents
from tests.fakes.provider.openai.response_items import invalid, read_items, read_system, read_turns
from tests.fakes.provider.openai.tool_schema import read_choice, read_format, read_tools
from tests.fakes.provider.openai.vendor import OpenAi
from tests.fakes.provider.prompt import Body, Prompt
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.request_body import as_text
from tests.fakes.provider.seal import seal
from tests.fakes.provider.tokens import PromptCache, Usage, count_tokens, round_cached
from tests.fakes.provider.vendor import Completion, Frame

_PARAMETERS = {
    *response_create_params.ResponseCreateParamsBase.__annotations__,
    *response_create_params.ResponseCreateParamsStreaming.__annotations__,
}
_ECHOED = ("instructions", "max_output_tokens", "metadata", "previous_response_id", "reasoning", "text", "user")
_ENCRYPTED = "reasoning.encrypted_content"
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class OpenAiResponses:
    """The responses of OpenAI."""

    vendor = OpenAi()

    def read(self, request: web.Request, body: Body) -> Prompt:
        """The prompt in a request; refuses what the vendor would refuse."""
        check_model(body)
        _check_parameters(body)
        items = read_items(body)
        functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
        asked = (body.get("text") or {}).get("format") or {}
        return Prompt(
            model=body["model"],
            turns=read_turns(items),
            segments=(as_text([body.get("tools"), body.get("instructions")]), *map(as_text, items)),
            system=read_system(body, items),
            tools=read_tools(functions, "tools[{}]"),
            choice=read_choice(body.get("tool_choice")),
            parallel=body.get("parallel_tool_calls") is not False,
            json_format=read_format(asked.get("type"), asked.get("schema") or {}, asked, "text.format"),
            reasons=_reasons(body),
            max_output_tokens=body.get("max_output_tokens"),
        )

    def wants_stream(self, request: web.Request, body: Body) -> bool:
        """Whether the answer is to be streamed."""
        return bool(body.get("stream"))

    def overflow(self, prompt: Prompt, tokens: int, window: int) -> Refusal:
        """The refusal of a prompt that is larger than the window."""
        return invalid(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "input",
            "context_length_exceeded",
        )

    def count(self, body: Body, prompt: Prompt, answer: Answer, cache: PromptCache) -> Usage:
        """Usage, with the part of the prompt seen before."""
        return Usage(
            input=sum(map(count_tokens, prompt.segments)),
            output=answer.tokens,
            cached=round_cached(cache.reuse(prompt.segments)),
            reasoning=answer.reasoning_tokens,
        )

    def whole(self, completion: Completion) -> Body:
        """A `response`."""
        return _finish(_open(completion.body), _print_items(completion), completion)

    def frames(self, completion: Completion) -> Iterator[Frame]:
        """Named events, numbered from 0."""
        response, items, events = _open(completion.body), _print_items(completion), ResponseEvents()
        yield events.emit("response.created", response=response)
        yield events.emit("response.in_progress", response=response)
        for index, item in enumerate(items):
            yield from events.emit_item(index, item)
        finished = _finish(response, items, completion)
        yield events.emit(f"response.{finished['status']}", response=finished)

    def error_frame(self, refusal: Refusal) -> Frame:
        """An `error` event."""
        return ResponseEvents().emit("error", code=refusal.kind, message=refusal.message, param=refusal.param)


def _reasons(body: Body) -> bool:
    effort = (body.get("reasoning") or {}).get("effort") or "medium"
    return is_reasoning_model(body["model"]) and effort not in ("none", "minimal")


def _check_parameters(body: Body) -> None:
    unknown = next((name for name in body if name not in _PARAMETERS), None)
    if unknown:
        raise invalid(f"Unknown parameter: '{unknown}'.", unknown, "unknown_parameter")
    if body.get("previous_response_id"):
        identifier = body["previous_response_id"]
        raise invalid(f"Previous response with id '{identifier}' not found.", "previous_response_id")
    if is_reasoning_model(body["model"]):
        refused = next((name for name in ("temperature", "top_p") if body.get(name) not in (None, 1)), None)
    else:
        refused = "reasoning.effort" if (body.get("reasoning") or {}).get("effort") else None
        if _ENCRYPTED in (body.get("include") or ()):
            raise invalid("Encrypted content is not supported with this model.", "include")
    if refused:
        raise invalid(
            f"Unsupported parameter: '{refused}' is not supported with this model.", refused, "unsupported_parameter"
        )


def _open(body: Body) -> Body:
    """The response as it is before anything was said."""
    return {
        "id": f"resp_{secrets.token_hex(24)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "temperature": 1.0,
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "store": body.get("store") is not False,
        "truncation": "disabled",
        "usage": None,
        **{name: body.get(name) for name in _ECHOED},
    }


def _print_items(completion: Completion) -> list[Body]:
    answer = completion.answer
    items = [_print_reasoning(completion)] if answer.reasoning else []
    if answer.text:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
        items.append({"id": _new_id("msg"), "type": "message", "role": "assistant", "content": [part]})
    for call in answer.calls:
        function = {"call_id": f"call_{secrets.token_hex(12)}", "name": call.name, "arguments": call.arguments}
        items.append({"id": _new_id("fc"), "type": "function_call", **function})
    status = "incomplete" if answer.finish in _INCOMPLETE else "completed"
    return [item if item["type"] == "reasoning" else {**item, "status": status} for item in items]


def _print_reasoning(completion: Completion) -> Body:
    """A reasoning item; its summary and its encrypted content only if the request asks for them."""
    body, identifier = completion.body, _new_id("rs")
    summarised = (body.get("reasoning") or {}).get("summary")
    summary = [{"type": "summary_text", "text": completion.answer.reasoning}] if summarised else []
    item: Body = {"id": identifier, "type": "reasoning", "summary": summary}
    if _ENCRYPTED in (body.get("include") or ()):
        item["encrypted_content"] = seal(identifier)
    return item


def _finish(response: Body, items: list[Body], completion: Completion) -> Body:
    usage, reason = completion.usage, _INCOMPLETE.get(completion.answer.finish)
    return {
        **response,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": items,
        "usage": {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        },
    }


def _new_id(start: str) -> str:
    return f"{start}_{secrets.token_hex(24)}"
