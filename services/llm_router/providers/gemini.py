"""Gemini's generated content.  https://ai.google.dev/api/generate-content"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

import httpx2
import orjson
from google import genai
from google.genai import types

from perdure.conversation.v1.message_pb2 import Usage
from services.llm_router.completion import Delta, Event, Finish, Vector
from services.llm_router.deadlines import Deadlines
from services.llm_router.errors import ContentFiltered, ProviderFailed, ProviderUnavailable
from services.llm_router.model import EmbeddingModel, ListedModel
from services.llm_router.prompt import Prompt
from services.llm_router.providers.answer import Answer, Growing, total_usage
from services.llm_router.providers.gemini_contents import build_contents, function_name
from services.llm_router.providers.gemini_schema import NotInSubset, convert_parameters, convert_schema
from services.llm_router.providers.raw_stream import read_events, request_timeout
from services.llm_router.providers.sdk_errors import decode_events, read_chunk, read_stream_error, sdk_errors
from services.llm_router.providers.spoken import Json, bounded_output, json_order, split_system

_JSON = "application/json"
_FINISH = {"STOP": Finish.STOP, "MAX_TOKENS": Finish.LENGTH}
# https://ai.google.dev/api/generate-content#FinishReason: what is no filter's doing.
_BROKEN = ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER")
_ALWAYS_THINKS = "-pro"  # models of this kind cannot be told not to think


class GeminiAdapter:
    """Google's Gemini API. The SDK has the lists and embeddings, its HTTP client is read raw for completions."""

    def __init__(self, base_url: str, api_key: str, deadlines: Deadlines) -> None:
        self._url = base_url
        self._http = httpx2.AsyncClient(timeout=request_timeout(deadlines), headers={"x-goog-api-key": api_key})
        root, _, version = base_url.rpartition("/")
        options = types.HttpOptions(base_url=root, api_version=version, httpx_async_client=self._http)
        self._sdk = genai.Client(vertexai=False, api_key=api_key, http_options=options)

    async def complete(self, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        """Asks a model."""
        reader = GenerateReader(prompt)
        async with aclosing(self._stream(prompt.model.name, build_body(prompt))) as chunks:
            async for chunk in chunks:
                yield read_chunk(reader.read, chunk)
        yield list(reader.complete())

    async def _stream(self, model: str, body: Json) -> AsyncGenerator[list[Json], None]:
        url = f"{self._url}/models/{model}:streamGenerateContent?alt=sse"
        request = self._http.build_request("POST", url, content=orjson.dumps(body), headers={"content-type": _JSON})
        with sdk_errors():
            response = await self._http.send(request, stream=True)
            async with aclosing(read_events(response)) as chunks:
                await genai.errors.APIError.raise_for_async_response(response)
                async for chunk in chunks:
                    yield decode_events(chunk)

    async def list_models(self) -> list[ListedModel]:
        """The models that generate content or embed it."""
        with sdk_errors():
            return [listed async for model in await self._sdk.aio.models.list() for listed in _read_listed(model)]

    async def has_model(self, name: str) -> bool:
        """Whether there is such a model."""
        try:
            with sdk_errors():
                await self._sdk.aio.models.get(model=name)
        except ProviderFailed:
            return False
        return True

    async def embed(self, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """One vector for each text. The vendor does not say how many tokens it counted."""
        contents: list[types.ContentUnionDict] = [types.Content(parts=[types.Part(text=text)]) for text in texts]
        with sdk_errors():
            answer = await self._sdk.aio.models.embed_content(model=model.name, contents=contents)
        return [list(embedding.values or ()) for embedding in answer.embeddings or ()], 0

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()


def build_body(prompt: Prompt) -> Json:
    """The request."""
    system, rest = split_system(prompt.messages)
    config: Json = {}
    orders = _shape_output(config, prompt)
    body: Json = {"contents": build_contents(prompt, rest), "generationConfig": config}
    instruction = "\n\n".join(filter(None, (system, orders)))
    if instruction:
        body["systemInstruction"] = {"parts": [{"text": instruction}]}
    if prompt.settings.HasField("temperature"):
        config["temperature"] = prompt.settings.temperature
    if prompt.settings.HasField("frequency_penalty"):
        config["frequencyPenalty"] = prompt.settings.frequency_penalty
    if prompt.settings.HasField("max_output_tokens"):
        config["maxOutputTokens"] = bounded_output(prompt)
    _ask_thinking(config, prompt)
    _offer_tools(body, prompt)
    return body


def _ask_thinking(config: Json, prompt: Prompt) -> None:
    settings, name = prompt.settings, prompt.model.name
    if not prompt.model.reasoning:
        return
    thinking: Json = {}
    if settings.HasField("reasoning"):
        thinking["includeThoughts"] = settings.reasoning
        if not settings.reasoning and _ALWAYS_THINKS not in name:
            thinking["thinkingBudget"] = 0
    if settings.reasoning and settings.HasField("reasoning_tokens"):
        thinking["thinkingBudget"] = settings.reasoning_tokens
    elif settings.HasField("reasoning_effort") and not name.startswith("gemini-2"):  # the older ones count tokens
        thinking["thinkingLevel"] = settings.reasoning_effort
    if thinking:
        config["thinkingConfig"] = thinking


def _offer_tools(body: Json, prompt: Prompt) -> None:
    if not prompt.tools:
        return
    declared = [
        {"name": function_name(tool.name), "description": tool.description, **convert_parameters(tool.parameters)}
        for tool in prompt.tools
    ]
    body["tools"] = [{"functionDeclarations": declared}]
    modes = {"auto": {"mode": "AUTO"}, "none": {"mode": "NONE"}, "required": {"mode": "ANY"}}
    named = {"mode": "ANY", "allowedFunctionNames": [function_name(prompt.tool_choice)]}
    body["toolConfig"] = {"functionCallingConfig": modes.get(prompt.tool_choice, named)}


def _shape_output(config: Json, prompt: Prompt) -> str:
    """Asks for JSON; answers the wish in words where the model cannot combine tools with a response format."""
    asked = prompt.settings.response_format
    if asked.type not in ("json_schema", "json_object"):
        return ""
    if prompt.tools and prompt.model.name.startswith("gemini-2"):
        return json_order(asked.json_schema)
    config["responseMimeType"] = _JSON
    if asked.type == "json_schema":
        schema = orjson.loads(asked.json_schema).get("schema", {})
        try:
            config["responseSchema"] = convert_schema(schema)
        except NotInSubset:
            config["responseJsonSchema"] = schema
    return ""


class GenerateReader:
    """Reads the slices of one answer. Pieces of text and thoughts that follow one another are one part."""

    def __init__(self, prompt: Prompt) -> None:
        self._answer = Answer(prompt)
        self._open: tuple[str, Growing] | None = None  # the part that the next piece may continue
        self._names = {function_name(tool.name): tool.name for tool in prompt.tools}
        settings = prompt.settings
        self._is_serial = settings.HasField("parallel_tool_calls") and not settings.parallel_tool_calls

    def read(self, slice_: Json) -> Iterator[Delta]:
        """What a slice adds. Raises `ModelFailure` for one that holds an error."""
        if "error" in slice_:
            raise read_stream_error(slice_["error"])
        self._answer.response_id = slice_.get("responseId") or self._answer.response_id
        if "usageMetadata" in slice_:
            self._answer.usage = _read_usage(slice_["usageMetadata"])
        if (slice_.get("promptFeedback") or {}).get("blockReason"):
            raise ContentFiltered(f"The provider blocked the prompt: {slice_['promptFeedback']['blockReason']}.")
        for candidate in slice_.get("candidates") or ():
            for part in (candidate.get("content") or {}).get("parts") or ():
                yield from self._read_part(part)
            self._read_finish(candidate.get("finishReason"))

    def _read_part(self, part: Json) -> Iterator[Delta]:
        signature = part.get("thoughtSignature")
        if "functionCall" in part:
            yield from self._read_call(part["functionCall"], signature)
            return
        if part.get("text"):
            yield self._read_text(part["text"], is_thought=bool(part.get("thought")))
        if signature and self._open:
            self._open[1].provider_data = orjson.dumps({"thoughtSignature": signature})

    def _read_text(self, text: str, *, is_thought: bool) -> Delta:
        kind = "reasoning" if is_thought else "text"
        if self._open is None or self._open[0] != kind:
            self._open = (kind, self._answer.open_reasoning() if is_thought else self._answer.open_text())
        part = self._open[1]
        return self._answer.think(part, text) if is_thought else self._answer.say(part, text)

    def _read_call(self, call: Json, signature: str | None) -> Iterator[Delta]:
        if self._is_serial and self._answer.has_calls:
            return  # the vendor has no switch against parallel calls: the model may call again when this one returned
        self._open = None
        name: str = call["name"]
        part, opened = self._answer.open_call(call.get("id") or "", self._names.get(name, name))
        data = {"thoughtSignature": signature, "id": call.get("id")}
        kept = {key: value for key, value in data.items() if value}
        part.provider_data = orjson.dumps(kept) if kept else b""
        yield opened
        yield self._answer.argue(part, orjson.dumps(call.get("args") or {}).decode())

    def _read_finish(self, reason: str | None) -> None:
        if reason in _BROKEN:
            raise ProviderFailed(f"The model's answer was malformed ({reason}).")
        if reason:
            self._answer.finish = _FINISH.get(reason, Finish.CONTENT_FILTER)

    def complete(self) -> Iterator[Event]:
        """The end of the answer. Raises `ProviderUnavailable` when the stream broke off before it."""
        if self._answer.finish is None:
            raise ProviderUnavailable("The provider's answer broke off before its end.")
        return self._answer.complete()


def _read_usage(usage: Json) -> Usage:
    thoughts = usage.get("thoughtsTokenCount")
    return total_usage(
        usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0),
        usage.get("candidatesTokenCount", 0) + (thoughts or 0),
        total_tokens=usage.get("totalTokenCount", 0),
        cached=usage.get("cachedContentTokenCount"),
        reasoning=thoughts,
    )


def _read_listed(model: types.Model) -> Iterator[ListedModel]:
    actions = model.supported_actions or []
    name = (model.name or "").removeprefix("models/")
    if "generateContent" in actions:
        yield ListedModel(
            name,
            context_window=model.input_token_limit or 0,
            output_limit=model.output_token_limit or 0,
            reasoning=model.thinking,
        )
    elif "embedContent" in actions:
        yield ListedModel(name, embeds=True)
