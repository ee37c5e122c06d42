"""Anthropic messages.  https://platform.claude.com/docs/en/api/messages"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import cast

import httpx2
import orjson
from anthropic import AsyncAnthropic, AsyncStream

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.llm_router.completion import Delta, Event, Finish, Vector
from services.llm_router.deadlines import Deadlines
from services.llm_router.errors import ProviderFailed, ProviderUnavailable, RequestRefused
from services.llm_router.model import EmbeddingModel, ListedModel
from services.llm_router.prompt import Prompt
from services.llm_router.providers.answer import Answer, Growing, total_usage
from services.llm_router.providers.anthropic_messages import CACHED, build_messages, can_think
from services.llm_router.providers.raw_stream import read_events, request_timeout
from services.llm_router.providers.sdk_errors import decode_events, read_chunk, read_stream_error, sdk_errors
from services.llm_router.providers.spoken import Json, json_order, split_system
from services.llm_router.providers.strict_schema import close_objects, read_schema, read_strict_schema

_MIN_THINKING_TOKENS = 1024  # smaller budgets are refused
_FINISH = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "pause_turn": Finish.STOP,
    "tool_use": Finish.TOOL_CALLS,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal": Finish.CONTENT_FILTER,
}


class AnthropicAdapter:
    """Anthropic's messages."""

    def __init__(self, base_url: str, api_key: str, deadlines: Deadlines) -> None:
        timeout = request_timeout(deadlines)
        root = base_url.removesuffix("/v1")  # the SDK's own paths begin with it
        self._sdk = AsyncAnthropic(base_url=root, api_key=api_key, max_retries=0, timeout=timeout)

    async def complete(self, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        """Asks a model."""
        reader = MessageReader(prompt)
        async with aclosing(self._stream(build_body(prompt))) as chunks:
            async for chunk in chunks:
                yield read_chunk(reader.read, chunk)
        yield list(reader.complete())

    async def _stream(self, body: Json) -> AsyncGenerator[list[Json], None]:
        with sdk_errors():
            response = await self._sdk.post(
                "/v1/messages",
                cast_to=httpx2.Response,
                content=orjson.dumps(body),
                stream=True,
                stream_cls=AsyncStream[object],
            )
            async for chunk in read_events(cast(httpx2.Response, response)):
                yield decode_events(chunk)

    async def list_models(self) -> list[ListedModel]:
        """The models on offer, with what the vendor says of them."""
        with sdk_errors():
            answer = await self._sdk.get("/v1/models?limit=1000", cast_to=httpx2.Response)
            return [_read_listed(item) for item in orjson.loads(answer.content)["data"]]

    async def has_model(self, name: str) -> bool:
        """Whether there is such a model, or an alias of that name."""
        try:
            with sdk_errors():
                await self._sdk.get(f"/v1/models/{name}", cast_to=httpx2.Response)
        except ProviderFailed:
            return False
        return True

    async def embed(self, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """The vendor has no embedding models."""
        raise RequestRefused("Anthropic has no embedding models.")

    async def close(self) -> None:
        """Closes the connections."""
        await self._sdk.close()


def build_body(prompt: Prompt) -> Json:
    """The request; system prompt, tools and last message are marked for the prompt cache."""
    system, rest = split_system(prompt.messages)
    if prompt.settings.response_format.type == "json_object":
        system = f"{system}\n\n{json_order('')}"
    turns = build_messages(prompt, rest)
    asked = prompt.settings.max_output_tokens or prompt.model.max_output_tokens
    limit = prompt.model.output_limit or asked
    body: Json = {"model": prompt.model.name, "max_tokens": min(asked, limit), "messages": turns, "stream": True}
    if system.strip():
        body["system"] = [{"type": "text", "text": system, "cache_control": CACHED}]
    _offer_tools(body, prompt)
    _ask_thinking(body, prompt, limit)
    _shape_output(body, prompt)
    return body


def _offer_tools(body: Json, prompt: Prompt) -> None:
    tools = [_print_tool(tool, is_strict=prompt.settings.strict) for tool in prompt.tools]
    choice = prompt.tool_choice
    if not tools:  # calls in the conversation are refused unless their tools are declared
        tools, choice = _called_tools(prompt), "none"
    if not tools:
        return
    tools[-1]["cache_control"] = CACHED
    body["tools"] = tools
    simple: dict[str, Json] = {"auto": {"type": "auto"}, "none": {"type": "none"}, "required": {"type": "any"}}
    body["tool_choice"] = simple.get(choice, {"type": "tool", "name": choice})
    if prompt.settings.HasField("parallel_tool_calls") and choice != "none":
        body["tool_choice"]["disable_parallel_tool_use"] = not prompt.settings.parallel_tool_calls


def _print_tool(tool: ToolDefinition, *, is_strict: bool) -> Json:
    strict = read_strict_schema(tool.parameters) if is_strict else None
    printed: Json = {"name": tool.name, "description": tool.description}
    if strict is None:
        return {**printed, "input_schema": read_schema(tool.parameters)}
    return {**printed, "input_schema": strict, "strict": True}


def _called_tools(prompt: Prompt) -> list[Json]:
    parts = (part for message in prompt.messages for part in message.parts)
    names = sorted({part.tool_call.name for part in parts if part.HasField("tool_call")})
    return [{"name": name, "input_schema": {"type": "object"}} for name in names]


def _ask_thinking(body: Json, prompt: Prompt, limit: int) -> None:
    """Thinking, or else a temperature: the one excludes the other, and a forced call excludes thinking."""
    settings, model = prompt.settings, prompt.model
    wanted = model.reasoning and settings.reasoning and prompt.tool_choice in ("auto", "none")
    if wanted and model.chooses_thinking:
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
    elif wanted and can_think(body["messages"]):
        budget = max(_MIN_THINKING_TOKENS, settings.reasoning_tokens)
        if body["max_tokens"] <= budget:  # the thoughts count, and must leave room for the answer
            body["max_tokens"] = min(limit, budget + body["max_tokens"])
        body["thinking"] = {"type": "enabled", "budget_tokens": min(budget, body["max_tokens"] - 1)}
    elif settings.HasField("temperature") and not model.chooses_thinking:
        body["temperature"] = min(1.0, settings.temperature)


def _shape_output(body: Json, prompt: Prompt) -> None:
    settings = prompt.settings
    output: Json = {}
    if settings.response_format.type == "json_schema":
        schema = orjson.loads(settings.response_format.json_schema).get("schema", {})
        output["format"] = {"type": "json_schema", "schema": close_objects(schema)}
    if prompt.model.chooses_thinking and settings.reasoning_effort not in ("", "none", "minimal"):
        output["effort"] = settings.reasoning_effort
    if output:
        body["output_config"] = output


class MessageReader:
    """Reads the events of one message: a part for each content block that is not empty."""

    def __init__(self, prompt: Prompt) -> None:
        self._answer = Answer(prompt)
        self._parts: dict[int, Growing] = {}  # by the block's index
        self._usage: Json = {}
        self._readers: dict[str, Callable[[Json], Iterator[Delta]]] = {
            "message_start": self._read_start,
            "content_block_start": self._read_block,
            "content_block_delta": self._read_delta,
            "message_delta": self._read_end,
            "error": self._read_failure,
        }

    def read(self, event: Json) -> Iterator[Delta]:
        """What an event adds. Raises `ModelFailure` for one that holds an error."""
        reader = self._readers.get(event.get("type", ""))
        return reader(event) if reader else iter(())

    def _read_start(self, event: Json) -> Iterator[Delta]:
        self._answer.response_id = event["message"]["id"]
        self._usage |= event["message"].get("usage") or {}
        return iter(())

    def _read_block(self, event: Json) -> Iterator[Delta]:
        block, index = event["content_block"], event["index"]
        if block["type"] == "tool_use":
            self._parts[index], opened = self._answer.open_call(block["id"], block["name"])
            yield opened
            if block.get("input"):
                yield self._answer.argue(self._parts[index], orjson.dumps(block["input"]).decode())
        elif block["type"] == "redacted_thinking":
            part = self._parts[index] = self._answer.open_reasoning()
            part.signature = block["data"]
            part.provider_data = orjson.dumps({"data": block["data"]})
            yield self._answer.hide(part)

    def _read_delta(self, event: Json) -> Iterator[Delta]:
        delta, index = event["delta"], event["index"]
        if delta["type"] == "text_delta":
            if index not in self._parts:
                self._parts[index] = self._answer.open_text()
            yield self._answer.say(self._parts[index], delta["text"])
        elif delta["type"] == "thinking_delta":
            if index not in self._parts:
                self._parts[index] = self._answer.open_reasoning()
            yield self._answer.think(self._parts[index], delta["thinking"])
        elif delta["type"] == "signature_delta":
            yield from self._read_signature(index, delta["signature"])
        elif delta["type"] == "input_json_delta" and delta["partial_json"]:
            yield self._answer.argue(self._parts[index], delta["partial_json"])

    def _read_signature(self, index: int, signature: str) -> Iterator[Delta]:
        if index not in self._parts:
            self._parts[index] = self._answer.open_reasoning()
            yield self._answer.hide(self._parts[index])
        self._parts[index].signature = signature
        self._parts[index].provider_data = orjson.dumps({"signature": signature})

    def _read_end(self, event: Json) -> Iterator[Delta]:
        self._usage |= {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
        reason = event["delta"].get("stop_reason")
        if reason:
            self._answer.finish = _FINISH.get(reason, Finish.STOP)
        return iter(())

    def _read_failure(self, event: Json) -> Iterator[Delta]:
        raise read_stream_error(event.get("error"))

    def complete(self) -> Iterator[Event]:
        """The end of the answer. Raises `ProviderUnavailable` when the stream broke off before it."""
        if self._answer.finish is None:
            raise ProviderUnavailable("The provider's answer broke off before its end.")
        cached = self._usage.get("cache_read_input_tokens")
        written = self._usage.get("cache_creation_input_tokens")
        self._answer.usage = total_usage(
            self._usage.get("input_tokens", 0) + (cached or 0) + (written or 0),
            self._usage.get("output_tokens", 0),
            cached=cached,
            cache_written=written,
            reasoning=(self._usage.get("output_tokens_details") or {}).get("thinking_tokens"),
        )
        return self._answer.complete()


def _read_listed(item: Json) -> ListedModel:
    able = item.get("capabilities") or {}
    types = (able.get("thinking") or {}).get("types") or {}
    return ListedModel(
        name=item["id"],
        context_window=item.get("max_input_tokens") or 0,
        output_limit=item.get("max_tokens") or 0,
        reasoning=_supports(able, "thinking"),
        vision=_supports(able, "image_input"),
        chooses_thinking=_supports(types, "adaptive") and not _supports(types, "enabled") if types else None,
    )


def _supports(able: Json, what: str) -> bool | None:
    return (able[what] or {}).get("supported") if what in able else None
