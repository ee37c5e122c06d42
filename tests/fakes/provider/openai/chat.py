"""OpenAI chat completions.  https://platform.openai.com/docs/api-reference/chat"""

import secrets
import time
from collections.abc import Iterator

import orjson
from aiohttp import web
from openai.types.chat import completion_create_params

from tests.fakes.provider.answer import Answer
from tests.fakes.provider.catalog import is_reasoning_model, limits
from tests.fakes.provider.openai.chat_messages import read_system, read_turns
from tests.fakes.provider.openai.tool_schema import read_choice, read_format, read_tools
from tests.fakes.provider.openai.vendor import OpenAi
from tests.fakes.provider.prompt import Body, JsonFormat, Prompt
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.request_body import as_text
from tests.fakes.provider.tokens import PromptCache, Usage, count_tokens, round_cached, split_tokens
from tests.fakes.provider.vendor import Completion, Frame

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PARAMETERS = {
    *completion_create_params.CompletionCreateParamsBase.__annotations__,
    *completion_create_params.CompletionCreateParamsStreaming.__annotations__,
}


class OpenAiChat:
    """The chat completions of OpenAI, or (`any_model`) of a server that imitates it with models of its own."""

    def __init__(self, vendor: OpenAi, *, any_model: bool = False) -> None:
        self.vendor = vendor
        self._any_model = any_model

    def read(self, request: web.Request, body: Body) -> Prompt:
        """The prompt in a request; refuses what the vendor would refuse."""
        check_model(body, any_model=self._any_model)
        _check_parameters(body)
        messages = body.get("messages") or []
        turns = read_turns(messages, _ROLES)
        tools = [tool.get("function") or {} for tool in body.get("tools") or ()]
        return Prompt(
            model=body["model"],
            turns=turns,
            segments=(as_text(body.get("tools") or []), *map(as_text, messages)),
            system=read_system(messages),
            tools=read_tools(tools, "tools[{}].function"),
            choice=read_choice(body.get("tool_choice")),
            parallel=body.get("parallel_tool_calls") is not False,
            json_format=_read_format(body),
            max_output_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        )

    def wants_stream(self, request: web.Request, body: Body) -> bool:
        """Whether the answer is to be streamed."""
        return bool(body.get("stream"))

    def overflow(self, prompt: Prompt, tokens: int, window: int) -> Refusal:
        """The refusal of a prompt that is larger than the window."""
        return Refusal(
            400,
            f"This model's maximum context length is {window} tokens. However, your messages resulted in {tokens} "
            "tokens. Please reduce the length of the messages.",
            kind="invalid_request_error",
            param="messages",
            code="context_length_exceeded",
        )

    def count(self, body: Body, prompt: Prompt, answer: Answer, cache: PromptCache) -> Usage:
        """Usage, with the part of the prompt seen before; reasoning is hidden but billed."""
        effort = body.get("reasoning_effort") or "medium"
        reasoning = 64 if is_reasoning_model(prompt.model) and effort not in ("minimal", "none") else 0
        return Usage(
            input=sum(map(count_tokens, prompt.segments)),
            output=answer.tokens + reasoning,
            cached=round_cached(cache.reuse(prompt.segments)),
            reasoning=reasoning,
        )

    def whole(self, completion: Completion) -> Body:
        """A `chat.completion`."""
        answer = completion.answer
        message: Body = {"role": "assistant", "content": answer.text or None, "refusal": None, "annotations": []}
        if answer.calls:
            message["tool_calls"] = [_print_call(call.name, call.arguments) for call in answer.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
        return {
            **_envelope(completion.prompt, "chat.completion"),
            "choices": [choice],
            "usage": print_usage(completion.usage),
        }

    def frames(self, completion: Completion) -> Iterator[Frame]:
        """`chat.completion.chunk` events, ended by `[DONE]`."""
        body, answer = completion.body, completion.answer
        envelope = _envelope(completion.prompt, "chat.completion.chunk")
        include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        if include_usage:
            envelope["usage"] = None
        first = {"role": "assistant", "content": None if answer.calls else "", "refusal": None}
        yield _chunk(envelope, first)
        for token in split_tokens(answer.text) if answer.text else ():
            yield _chunk(envelope, {"content": token}, is_token=True)
        for delta in call_deltas(answer):
            yield _chunk(envelope, {"tool_calls": [delta]}, is_token=True)
        yield _chunk(envelope, {}, finish=answer.finish)
        if include_usage:
            yield Frame(sse({**envelope, "choices": [], "usage": print_usage(completion.usage)}))
        yield Frame(b"data: [DONE]\n\n")

    def error_frame(self, refusal: Refusal) -> Frame:
        """An error in the middle of a stream is an event with nothing but the error."""
        return Frame(sse(self.vendor.print_refusal(refusal)))


def sse(body: Body) -> bytes:
    """An event without a name."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


def print_usage(usage: Usage) -> Body:
    """`usage` with cached and reasoning tokens."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def call_deltas(answer: Answer) -> Iterator[Body]:
    """Each call as a first delta with its name and further ones with pieces of its arguments."""
    for index, call in enumerate(answer.calls):
        yield {"index": index, **_print_call(call.name, "")}
        for piece in split_tokens(call.arguments):
            yield {"index": index, "function": {"arguments": piece}}


def check_model(body: Body, *, any_model: bool = False) -> None:
    """Refuses a request without a model, or for one that OpenAI has never had."""
    model = body.get("model")
    if not model:
        raise Refusal(400, "you must provide a model parameter", kind="invalid_request_error")
    if not any_model and not model.startswith(("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "codex-")):
        raise Refusal(
            404,
            f"The model `{model}` does not exist or you do not have access to it.",
            kind="invalid_request_error",
            code="model_not_found",
        )


def _check_parameters(body: Body) -> None:
    unknown = next((name for name in body if name not in _PARAMETERS), None)
    if unknown:
        raise _invalid(f"Unrecognized request argument supplied: {unknown}")
    if body.get("tools") == []:
        raise _invalid("Invalid 'tools': empty array. Expected an array with minimum length 1.", "tools", "empty_array")
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not body.get("tools"):
            raise _invalid(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", name)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise _invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if is_reasoning_model(body["model"]):
        _check_reasoning_parameters(body)
    _check_output_limit(body)


def _check_reasoning_parameters(body: Body) -> None:
    if body.get("max_tokens") is not None:
        raise _invalid(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    for name in ("temperature", "top_p"):
        if body.get(name) not in (None, 1):
            raise _invalid(
                f"Unsupported value: '{name}' does not support {body[name]} with this model. "
                "Only the default (1) value is supported.",
                name,
                "unsupported_value",
            )


def _check_output_limit(body: Body) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        asked, limit = body.get(name), limits(body["model"]).output
        if asked is not None and asked > limit:
            raise _invalid(
                f"{name} is too large: {asked}. This model supports at most {limit} completion tokens, whereas you "
                f"provided {asked}.",
                name,
                "invalid_value",
            )


def _read_format(body: Body) -> JsonFormat | None:
    asked = body.get("response_format") or {}
    owner = asked.get("json_schema") or {}
    if asked.get("type") == "json_object" and "json" not in as_text(body["messages"]).lower():
        raise _invalid(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )
    return read_format(asked.get("type"), owner.get("schema") or {}, owner, "response_format.json_schema")


def _envelope(prompt: Prompt, kind: str) -> Body:
    return {
        "id": f"chatcmpl-{secrets.token_hex(14)}",
        "object": kind,
        "created": int(time.time()),
        "model": prompt.model,
        "service_tier": "default",
        "system_fingerprint": "fp_" + secrets.token_hex(5),
    }


def _chunk(envelope: Body, delta: Body, *, finish: str | None = None, is_token: bool = False) -> Frame:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return Frame(sse({**envelope, "choices": [choice]}), is_token)


def _print_call(name: str, arguments: str) -> Body:
    function = {"name": name, "arguments": arguments}
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


def _invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, message, kind="invalid_request_error", param=param, code=code)
