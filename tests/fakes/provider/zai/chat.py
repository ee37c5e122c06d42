"""Z.ai chat completions: OpenAI's, with reasoning.  https://docs.z.ai/api-reference/llm/chat-completion"""

import secrets
import time
from collections.abc import Iterator

from aiohttp import web

from tests.fakes.provider.answer import Answer
from tests.fakes.provider.openai.chat import sse
from tests.fakes.provider.openai.chat_messages import read_system, read_turns
from tests.fakes.provider.openai.tool_schema import read_choice, read_tools
from tests.fakes.provider.prompt import Body, JsonFormat, Prompt
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.request_body import as_text
from tests.fakes.provider.tokens import PromptCache, Usage, count_tokens, split_tokens
from tests.fakes.provider.vendor import Completion, Frame
from tests.fakes.provider.zai.vendor import Zai

_ROLES = ("system", "user", "assistant", "tool")
_FINISH = {"content_filter": "sensitive"}


class ZaiChat:
    """The chat completions of Z.ai."""

    vendor = Zai()

    def read(self, request: web.Request, body: Body) -> Prompt:
        """The prompt in a request; refuses what the vendor would refuse."""
        if not str(body.get("model")).startswith("glm-"):
            raise Refusal(400, "Unknown Model, please check the model code.", code="1211")
        messages = body.get("messages") or []
        turns = read_turns(messages, _ROLES)
        if all(message["role"] != "user" for message in messages):
            raise Refusal(400, "The messages parameter is illegal. Please check the documentation.", code="1214")
        kind = (body.get("response_format") or {}).get("type")
        return Prompt(
            model=body["model"],
            turns=turns,
            segments=(as_text(body.get("tools") or []), *map(as_text, messages)),
            system=read_system(messages),
            tools=read_tools([tool.get("function") or {} for tool in body.get("tools") or ()], "tools[{}].function"),
            choice=read_choice(body.get("tool_choice")),
            parallel=body.get("parallel_tool_calls") is not False,
            json_format=JsonFormat() if kind == "json_object" else None,
            reasons=(body.get("thinking") or {}).get("type") != "disabled",
            max_output_tokens=body.get("max_tokens"),
        )

    def wants_stream(self, request: web.Request, body: Body) -> bool:
        """Whether the answer is to be streamed."""
        return bool(body.get("stream"))

    def overflow(self, prompt: Prompt, tokens: int, window: int) -> Refusal:
        """The refusal of a prompt that is larger than the window."""
        return Refusal(400, "Prompt exceeds max length", code="1261")

    def count(self, body: Body, prompt: Prompt, answer: Answer, cache: PromptCache) -> Usage:
        """Usage, with the part of the prompt seen before."""
        return Usage(
            input=sum(map(count_tokens, prompt.segments)),
            output=answer.tokens,
            cached=cache.reuse(prompt.segments),
            reasoning=answer.reasoning_tokens,
        )

    def whole(self, completion: Completion) -> Body:
        """A completion in one piece."""
        answer = completion.answer
        message: Body = {"role": "assistant", "content": answer.text}
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.calls:
            message["tool_calls"] = _print_calls(answer)
        choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
        return {**_envelope(completion.prompt), "choices": [choice], "usage": _print_usage(completion.usage)}

    def frames(self, completion: Completion) -> Iterator[Frame]:
        """Chunks; calls come whole, and usage with the last chunk whether asked for or not."""
        answer, envelope = completion.answer, _envelope(completion.prompt)
        for piece in split_tokens(answer.reasoning):
            yield _chunk(envelope, {"reasoning_content": piece})
        for piece in split_tokens(answer.text):
            yield _chunk(envelope, {"content": piece})
        for call in _print_calls(answer):
            yield _chunk(envelope, {"tool_calls": [call]})
        choice = {"index": 0, "finish_reason": _finish(answer), "delta": {"role": "assistant", "content": ""}}
        yield Frame(sse({**envelope, "choices": [choice], "usage": _print_usage(completion.usage)}))
        yield Frame(b"data: [DONE]\n\n")

    def error_frame(self, refusal: Refusal) -> Frame:
        """An event with nothing but the error."""
        return Frame(sse(self.vendor.print_refusal(refusal)))


def _envelope(prompt: Prompt) -> Body:
    identifier = time.strftime("%Y%m%d%H%M%S") + secrets.token_hex(9)
    return {"id": identifier, "request_id": identifier, "created": int(time.time()), "model": prompt.model}


def _chunk(envelope: Body, delta: Body) -> Frame:
    return Frame(sse({**envelope, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}}]}), is_token=True)


def _finish(answer: Answer) -> str:
    return _FINISH.get(answer.finish, answer.finish)


def _print_calls(answer: Answer) -> list[Body]:
    return [
        {
            "index": index,
            "id": f"call_{secrets.randbelow(10**19):019}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(answer.calls)
    ]


def _print_usage(usage: Usage) -> Body:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
