"""Gemini's generated content.  https://ai.google.dev/api/generate-content"""

import re
import secrets
import uuid
from collections.abc import Iterator

import orjson
from aiohttp import web

from tests.fakes.provider.answer import Answer
from tests.fakes.provider.catalog import limits
from tests.fakes.provider.gemini.contents import read_contents, read_turn
from tests.fakes.provider.gemini.fields import GENERATION_CONFIG, REQUEST, check_fields, check_schema, read_fields
from tests.fakes.provider.gemini.vendor import Gemini, invalid
from tests.fakes.provider.prompt import Body, JsonFormat, Prompt, Tool, ToolChoice
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.request_body import as_text
from tests.fakes.provider.seal import seal
from tests.fakes.provider.tokens import PromptCache, Usage, count_tokens, split_tokens
from tests.fakes.provider.vendor import Completion, Frame

_FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$")


class GeminiGenerate:
    """`generateContent` and `streamGenerateContent`."""

    vendor = Gemini()

    def read(self, request: web.Request, body: Body) -> Prompt:
        """The prompt in a request; refuses what the vendor would refuse."""
        model = _check_model(request)
        body = read_fields(body)
        check_fields(body, REQUEST, "")
        config = read_fields(body.get("generationConfig"))
        check_fields(config, GENERATION_CONFIG, "generation_config")
        contents = read_contents(body.get("contents") or [])
        tools = _read_tools(body)
        instruction = body.get("systemInstruction") or {}
        return Prompt(
            model=model,
            turns=tuple(map(read_turn, contents)),
            segments=(as_text([body.get("tools"), instruction]), *map(as_text, contents)),
            system="\n".join(part.get("text", "") for part in instruction.get("parts") or ()),
            tools=tools,
            choice=_read_choice(body),
            json_format=_read_format(config, model, tools),
            reasons=_shows_thoughts(config, model),
            max_output_tokens=_read_limit(config, model),
        )

    def wants_stream(self, request: web.Request, body: Body) -> bool:
        """Whether the answer is to be streamed."""
        return request.path.endswith(":streamGenerateContent")

    def overflow(self, prompt: Prompt, tokens: int, window: int) -> Refusal:
        """The refusal of a prompt that is larger than the window."""
        return invalid(f"The input token count ({tokens}) exceeds the maximum number of tokens allowed ({window}).")

    def count(self, body: Body, prompt: Prompt, answer: Answer, cache: PromptCache) -> Usage:
        """Usage, with the part of the prompt seen before."""
        return Usage(
            input=sum(map(count_tokens, prompt.segments)),
            output=answer.tokens,
            cached=cache.reuse(prompt.segments),
            reasoning=answer.reasoning_tokens,
        )

    def whole(self, completion: Completion) -> Body:
        """A `GenerateContentResponse`."""
        reason, parts = _finish(completion.answer), _print_parts(completion)
        return _response(_envelope(completion), parts, reason)

    def frames(self, completion: Completion) -> Iterator[Frame]:
        """The same response in slices; the last one has the reason to stop."""
        envelope = _envelope(completion)
        for part in _print_parts(completion):
            for piece in split_tokens(part["text"]) if "text" in part else (None,):
                slice_ = part if piece is None else {**part, "text": piece}
                yield Frame(_print_event(_response(envelope, [slice_], None)), is_token=True)
        yield Frame(_print_event(_response(envelope, [{"text": ""}], _finish(completion.answer))))

    def error_frame(self, refusal: Refusal) -> Frame:
        """A slice with nothing but the error."""
        return Frame(_print_event(self.vendor.print_refusal(refusal)))


def _check_model(request: web.Request) -> str:
    version = request.match_info["version"]
    model, action = request.match_info["model"], request.match_info["action"]
    if not model.startswith("gemini-") or "embedding" in model:
        message = f"models/{model} is not found for API version {version}, or is not supported for {action}."
        raise Refusal(404, message, kind="NOT_FOUND")
    return model


def _read_tools(body: Body) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for index, given in enumerate(map(read_fields, body.get("tools") or ())):
        for number, function in enumerate(map(read_fields, given.get("functionDeclarations") or ())):
            place = f"tools[{index}].function_declarations[{number}]"
            if not _NAME.match(str(function.get("name"))):
                raise invalid(f"* GenerateContentRequest.{place}.name: Invalid function name.")
            if function.get("parameters"):
                check_schema(function["parameters"], f"{place}.parameters")
            schema = function.get("parameters") or function.get("parametersJsonSchema") or {}
            tools.append(Tool(function["name"], schema))
    return tuple(tools)


def _read_choice(body: Body) -> ToolChoice:
    config = read_fields(read_fields(body.get("toolConfig")).get("functionCallingConfig"))
    if config.get("mode") == "ANY":
        names = config.get("allowedFunctionNames") or [None]
        return ToolChoice("required", names[0])
    return ToolChoice("none" if config.get("mode") == "NONE" else "auto")


def _read_format(config: Body, model: str, tools: tuple[Tool, ...]) -> JsonFormat | None:
    if config.get("responseMimeType") != "application/json":
        return None
    if tools and not model.startswith("gemini-3"):
        raise invalid("Function calling with a response mime type: 'application/json' is unsupported")
    if config.get("responseSchema"):
        check_schema(config["responseSchema"], "generation_config.response_schema")
    return JsonFormat(config.get("responseSchema") or config.get("responseJsonSchema"))


def _shows_thoughts(config: Body, model: str) -> bool:
    thinking = read_fields(config.get("thinkingConfig"))
    if thinking.get("thinkingBudget") == 0 and "-pro" in model:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    return bool(thinking.get("includeThoughts"))


def _read_limit(config: Body, model: str) -> int | None:
    asked: int | None = config.get("maxOutputTokens")
    limit = limits(model).output
    if asked is not None and not 1 <= asked <= limit:
        raise invalid(
            f"Unable to submit request because it has a maxOutputTokens value of {asked} but the supported range is "
            f"from 1 (inclusive) to {limit + 1} (exclusive). Update the value and try again."
        )
    return asked


def _print_parts(completion: Completion) -> list[Body]:
    """Thoughts, text and calls; of parallel calls the first alone is signed."""
    answer = completion.answer
    if _finish(answer) == "MALFORMED_FUNCTION_CALL":
        return []
    parts: list[Body] = [{"text": answer.reasoning, "thought": True}] if answer.reasoning else []
    if answer.text:
        parts.append({"text": answer.text})
    for index, call in enumerate(answer.calls):
        part: Body = {"functionCall": {"name": call.name, "args": orjson.loads(call.arguments)}}
        if completion.prompt.model.startswith("gemini-3"):
            part["functionCall"]["id"] = str(uuid.uuid4())
        if index == 0:
            part["thoughtSignature"] = seal(secrets.token_hex(8))
        parts.append(part)
    return parts


def _finish(answer: Answer) -> str:
    """The reason to stop; arguments that are no JSON object never reach the caller."""
    for call in answer.calls:
        try:
            well_formed = isinstance(orjson.loads(call.arguments), dict)
        except orjson.JSONDecodeError:
            well_formed = False
        if not well_formed:
            return "MALFORMED_FUNCTION_CALL"
    return _FINISH[answer.finish]


def _envelope(completion: Completion) -> Body:
    usage = completion.usage
    metadata = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
        "thoughtsTokenCount": usage.reasoning,
        "cachedContentTokenCount": usage.cached,
    }
    reported = {name: count for name, count in metadata.items() if count}
    return {
        "usageMetadata": reported,
        "modelVersion": completion.prompt.model,
        "responseId": secrets.token_urlsafe(16),
    }


def _response(envelope: Body, parts: list[Body], reason: str | None) -> Body:
    content: Body = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    candidate: Body = {"content": content, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], **envelope}


def _print_event(body: Body) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\r\n\r\n"
