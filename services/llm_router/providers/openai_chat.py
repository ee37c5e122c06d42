"""Chat completions: OpenAI and every endpoint that is compatible with it.

https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

import orjson

from perdure.conversation.v1.message_pb2 import Usage
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.llm_router.completion import Delta, Event, Finish, Vector
from services.llm_router.errors import ProviderFailed, ProviderUnavailable
from services.llm_router.model import EmbeddingModel, ListedModel
from services.llm_router.prompt import Prompt
from services.llm_router.providers.answer import Answer, Growing, total_usage
from services.llm_router.providers.mistral_messages import fit_messages, is_mistral
from services.llm_router.providers.openai_client import OpenAiClient, read_listed
from services.llm_router.providers.openai_messages import build_messages
from services.llm_router.providers.sdk_errors import read_chunk, read_stream_error
from services.llm_router.providers.spoken import Json, bounded_output, json_order
from services.llm_router.providers.strict_schema import read_schema, read_strict_schema
from services.llm_router.vendors import ChatDialect

_FINISH = {
    "stop": Finish.STOP,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "length": Finish.LENGTH,
    "model_length": Finish.LENGTH,  # Mistral
    "model_context_window_exceeded": Finish.LENGTH,  # Z.ai
    "content_filter": Finish.CONTENT_FILTER,
    "sensitive": Finish.CONTENT_FILTER,  # Z.ai
}
# What an answer ends with that the provider could not go on with: OpenRouter and Mistral, DeepSeek, Z.ai.
_BROKEN = ("error", "insufficient_system_resource", "network_error")


class OpenAiChatAdapter:
    """One endpoint of chat completions, with its dialect."""

    def __init__(self, client: OpenAiClient, dialect: ChatDialect) -> None:
        self._client = client
        self._dialect = dialect

    async def complete(self, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        """Asks a model."""
        reader = ChatReader(prompt)
        async with aclosing(self._client.stream("/chat/completions", build_body(prompt, self._dialect))) as chunks:
            async for chunk in chunks:
                yield read_chunk(reader.read, chunk)
        yield list(reader.complete())

    async def list_models(self) -> list[ListedModel]:
        """The models that the endpoint names."""
        listed = map(read_listed, await self._client.list_models())
        return [model for model in listed if model is not None]

    async def has_model(self, name: str) -> bool:
        """Whether the endpoint knows a model that it does not list."""
        return await self._client.has_model(name)

    async def embed(self, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """One vector for each text."""
        return await self._client.embed(model.name, texts)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.sdk.close()


def build_body(prompt: Prompt, dialect: ChatDialect) -> Json:
    """The request."""
    settings = prompt.settings
    messages = build_messages(prompt, dialect)
    if is_mistral(prompt.model.name):
        messages = fit_messages(messages)
    body: Json = {"model": prompt.model.name, "messages": messages, "stream": True}
    if dialect.has_stream_options:
        body["stream_options"] = {"include_usage": True}
    if settings.HasField("temperature"):
        body["temperature"] = settings.temperature
    if settings.HasField("max_output_tokens"):
        body[dialect.max_tokens_field] = bounded_output(prompt)
    if settings.HasField("frequency_penalty"):
        body["frequency_penalty"] = settings.frequency_penalty
    if dialect.has_cache_key and prompt.cache_key:
        body["prompt_cache_key"] = prompt.cache_key
    _ask_reasoning(body, prompt, dialect)
    _offer_tools(body, prompt, dialect)
    _ask_format(body, prompt, dialect)
    return body


def _ask_reasoning(body: Json, prompt: Prompt, dialect: ChatDialect) -> None:
    settings = prompt.settings
    if not prompt.model.reasoning:
        return
    if dialect.has_thinking_switch:
        is_on = not settings.HasField("reasoning") or settings.reasoning
        # Thoughts of earlier turns are sent back, so the provider must not clear them.
        body["thinking"] = {"type": "enabled" if is_on else "disabled", "clear_thinking": False}
    if dialect.has_reasoning_effort and settings.HasField("reasoning_effort"):
        body["reasoning_effort"] = settings.reasoning_effort


def _offer_tools(body: Json, prompt: Prompt, dialect: ChatDialect) -> None:
    if not prompt.tools:
        return
    is_strict = dialect.has_strict_tools and prompt.settings.strict
    body["tools"] = [
        {"type": "function", "function": build_function(tool, is_strict=is_strict)}
        for tool in prompt.tools[: dialect.max_tools]
    ]
    named = {"type": "function", "function": {"name": prompt.tool_choice}}
    body["tool_choice"] = prompt.tool_choice if prompt.tool_choice in ("auto", "none", "required") else named
    if dialect.has_parallel_switch and prompt.settings.HasField("parallel_tool_calls"):
        body["parallel_tool_calls"] = prompt.settings.parallel_tool_calls


def build_function(tool: ToolDefinition, *, is_strict: bool) -> Json:
    """A tool; strict only where its schema allows it."""
    strict_schema = read_strict_schema(tool.parameters) if is_strict else None
    function: Json = {"name": tool.name, "description": tool.description}
    if strict_schema is None:
        return function | {"parameters": read_schema(tool.parameters)}
    return function | {"parameters": strict_schema, "strict": True}


def _ask_format(body: Json, prompt: Prompt, dialect: ChatDialect) -> None:
    asked = prompt.settings.response_format
    if asked.type == "json_schema" and dialect.has_json_schema:
        body["response_format"] = {"type": "json_schema", "json_schema": orjson.loads(asked.json_schema)}
    elif asked.type in ("json_schema", "json_object"):
        body["response_format"] = {"type": "json_object"}  # refused when no message speaks of JSON
        body["messages"] = [{"role": "system", "content": json_order(asked.json_schema)}, *body["messages"]]


class ChatReader:
    """Reads the chunks of one answer. Text, thoughts and calls may alternate; each kind of text is one part."""

    def __init__(self, prompt: Prompt) -> None:
        self._answer = Answer(prompt)
        self._text: Growing | None = None
        self._reasoning: Growing | None = None
        self._calls: dict[int, tuple[str, Growing]] = {}  # by the provider's index: its own id, and the part

    def read(self, chunk: Json) -> Iterator[Delta]:
        """What a chunk adds. Raises `ModelFailure` for one that holds an error."""
        if chunk.get("error"):
            raise read_stream_error(chunk["error"])
        self._answer.response_id = chunk.get("id") or self._answer.response_id
        if chunk.get("usage"):
            self._answer.usage = _read_usage(chunk["usage"])
        for choice in chunk.get("choices") or ():
            yield from self._read_delta(choice.get("delta") or {})
            self._read_finish(choice.get("finish_reason"))

    def _read_finish(self, reason: str | None) -> None:
        if reason in _BROKEN:
            raise ProviderUnavailable(f"The provider's answer broke off ({reason}).")
        if reason:
            self._answer.finish = _FINISH.get(reason, Finish.STOP)

    def _read_delta(self, delta: Json) -> Iterator[Delta]:
        thought, said = _read_content(delta.get("content"))
        thought = delta.get("reasoning_content") or delta.get("reasoning") or thought
        if thought:
            self._reasoning = self._reasoning or self._answer.open_reasoning()
            yield self._answer.think(self._reasoning, thought)
        said = said or delta.get("refusal") or ""
        if said:
            self._text = self._text or self._answer.open_text()
            yield self._answer.say(self._text, said)
        for call in delta.get("tool_calls") or ():
            yield from self._read_call(call)

    def _read_call(self, delta: Json) -> Iterator[Delta]:
        index, given_id = delta.get("index") or 0, delta.get("id") or ""
        function = delta.get("function") or {}
        known = self._calls.get(index)
        # Some servers send every call whole and with index 0: another id is another call.
        if known is None or (given_id and function.get("name") and given_id != known[0]):
            if not function.get("name"):
                raise ProviderFailed("The provider sent a tool call without a name.")
            part, opened = self._answer.open_call(given_id, function["name"])
            known = self._calls[index] = (given_id, part)
            yield opened
        arguments = function.get("arguments")
        if arguments:
            text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
            yield self._answer.argue(known[1], text)

    def complete(self) -> Iterator[Event]:
        """The end of the answer. Raises `ProviderUnavailable` when the stream broke off before it."""
        if self._answer.finish is None:
            raise ProviderUnavailable("The provider's answer broke off before its end.")
        return self._answer.complete()


def _read_content(content: str | list[Json] | None) -> tuple[str, str]:
    """Thoughts and text; Mistral's models that think send both as content, in pieces."""
    if not isinstance(content, list):
        return "", content or ""
    thoughts = (text for piece in content for text in piece.get("thinking", ()))
    return "".join(thought["text"] for thought in thoughts), "".join(piece.get("text", "") for piece in content)


def _read_usage(usage: Json) -> Usage:
    prompt_details = usage.get("prompt_tokens_details") or {}
    completion_details = usage.get("completion_tokens_details") or {}
    return total_usage(
        usage.get("prompt_tokens") or 0,
        usage.get("completion_tokens") or 0,
        total_tokens=usage.get("total_tokens") or 0,
        cached=prompt_details.get("cached_tokens", usage.get("prompt_cache_hit_tokens")),
        reasoning=completion_details.get("reasoning_tokens"),
    )
