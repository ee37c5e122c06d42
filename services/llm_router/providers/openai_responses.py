"""Responses: OpenAI's reasoning models.

Stateless: nothing is stored at the vendor; reasoning comes encrypted and goes back with the next request.
https://platform.openai.com/docs/api-reference/responses
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing

import orjson

from perdure.conversation.v1.message_pb2 import Usage
from services.llm_router.completion import Delta, Event, Finish
from services.llm_router.errors import ProviderUnavailable
from services.llm_router.prompt import Prompt
from services.llm_router.providers.answer import Answer, Growing, total_usage
from services.llm_router.providers.openai_chat import build_function
from services.llm_router.providers.openai_client import OpenAiClient
from services.llm_router.providers.openai_items import build_items
from services.llm_router.providers.sdk_errors import read_chunk, read_stream_error
from services.llm_router.providers.spoken import Json, bounded_output, json_order
from services.llm_router.vendors import OPENAI_TOOLS

_ENCRYPTED = "reasoning.encrypted_content"
_MIN_OUTPUT_TOKENS = 16  # smaller bounds are refused


async def respond(client: OpenAiClient, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
    """Asks a model."""
    reader = ResponseReader(prompt)
    async with aclosing(client.stream("/responses", build_response_body(prompt))) as chunks:
        async for chunk in chunks:
            yield read_chunk(reader.read, chunk)
    yield list(reader.complete())


def build_response_body(prompt: Prompt) -> Json:
    """The request. Reasoning models take no temperature."""
    settings = prompt.settings
    effort = {"effort": settings.reasoning_effort} if settings.HasField("reasoning_effort") else {}
    body: Json = {
        "model": prompt.model.name,
        "input": build_items(prompt),
        "stream": True,
        "store": False,
        "include": [_ENCRYPTED],
        "reasoning": {**effort, "summary": "auto"},
    }
    if settings.HasField("max_output_tokens"):
        body["max_output_tokens"] = max(_MIN_OUTPUT_TOKENS, bounded_output(prompt))
    if prompt.cache_key:
        body["prompt_cache_key"] = prompt.cache_key
    _offer_tools(body, prompt)
    _shape_text(body, prompt)
    return body


def _offer_tools(body: Json, prompt: Prompt) -> None:
    if not prompt.tools:
        return
    functions = (build_function(tool, is_strict=prompt.settings.strict) for tool in prompt.tools[:OPENAI_TOOLS])
    body["tools"] = [{"type": "function", "strict": False, **function} for function in functions]
    named = {"type": "function", "name": prompt.tool_choice}
    body["tool_choice"] = prompt.tool_choice if prompt.tool_choice in ("auto", "none", "required") else named
    if prompt.settings.HasField("parallel_tool_calls"):
        body["parallel_tool_calls"] = prompt.settings.parallel_tool_calls


def _shape_text(body: Json, prompt: Prompt) -> None:
    asked = prompt.settings.response_format
    text: Json = {}
    if prompt.settings.HasField("verbosity"):
        text["verbosity"] = prompt.settings.verbosity
    if asked.type == "json_schema":
        text["format"] = {"type": "json_schema", **orjson.loads(asked.json_schema)}
    elif asked.type == "json_object":
        text["format"] = {"type": "json_object"}  # refused when no message speaks of JSON
        body["input"] = [{"role": "developer", "content": json_order("")}, *body["input"]]
    if text:
        body["text"] = text


class ResponseReader:
    """Reads the events of one response: a part for each output item."""

    def __init__(self, prompt: Prompt) -> None:
        self._answer = Answer(prompt)
        self._parts: dict[int, Growing] = {}  # by the item's index in the output
        self._summaries: dict[int, int] = {}  # the number of the summary under way, by the item's index
        self._readers: dict[str, Callable[[Json], Iterator[Delta]]] = {
            "response.output_item.added": self._read_added,
            "response.output_text.delta": self._read_text,
            "response.refusal.delta": self._read_text,
            "response.reasoning_summary_text.delta": self._read_thought,
            "response.reasoning_text.delta": self._read_thought,
            "response.function_call_arguments.delta": self._read_arguments,
            "response.output_item.done": self._read_done,
            "response.completed": self._read_end,
            "response.incomplete": self._read_end,
            "response.failed": self._read_failure,
            "error": self._read_failure,
        }

    def read(self, event: Json) -> Iterator[Delta]:
        """What an event adds. Raises `ModelFailure` for one that holds an error."""
        reader = self._readers.get(event.get("type", ""))
        return reader(event) if reader else iter(())

    def _read_added(self, event: Json) -> Iterator[Delta]:
        item = event["item"]
        if item["type"] == "function_call":
            self._parts[event["output_index"]], opened = self._answer.open_call(item["call_id"], item["name"])
            yield opened

    def _read_text(self, event: Json) -> Iterator[Delta]:
        index = event["output_index"]
        if index not in self._parts:
            self._parts[index] = self._answer.open_text()
        yield self._answer.say(self._parts[index], event["delta"])

    def _read_thought(self, event: Json) -> Iterator[Delta]:
        index, number = event["output_index"], event.get("summary_index", 0)
        if index not in self._parts:
            self._parts[index] = self._answer.open_reasoning()
        elif self._summaries[index] != number:
            yield self._answer.think(self._parts[index], "\n\n")
        self._summaries[index] = number
        yield self._answer.think(self._parts[index], event["delta"])

    def _read_arguments(self, event: Json) -> Iterator[Delta]:
        yield self._answer.argue(self._parts[event["output_index"]], event["delta"])

    def _read_done(self, event: Json) -> Iterator[Delta]:
        item, part = event["item"], self._parts.get(event["output_index"])
        if item["type"] == "reasoning" and item.get("encrypted_content"):
            if part is None:
                part = self._answer.open_reasoning()
                yield self._answer.hide(part)
            part.signature = item["encrypted_content"]
            part.provider_data = orjson.dumps(item)
        elif item["type"] == "message" and part is not None and item.get("phase"):
            part.provider_data = orjson.dumps({"phase": item["phase"]})
        elif item["type"] == "function_call" and part is not None and not part.text and item.get("arguments"):
            yield self._answer.argue(part, item["arguments"])  # some servers send them in one piece, at the end

    def _read_end(self, event: Json) -> Iterator[Delta]:
        response = event["response"]
        reason = (response.get("incomplete_details") or {}).get("reason")
        cut = Finish.CONTENT_FILTER if reason == "content_filter" else Finish.LENGTH
        self._answer.finish = cut if response.get("status") == "incomplete" else Finish.STOP
        self._answer.response_id = response.get("id", "")
        self._answer.usage = _read_usage(response.get("usage") or {})
        return iter(())

    def _read_failure(self, event: Json) -> Iterator[Delta]:
        raise read_stream_error((event.get("response") or {}).get("error") or event.get("error") or event)

    def complete(self) -> Iterator[Event]:
        """The end of the answer. Raises `ProviderUnavailable` when the stream broke off before it."""
        if self._answer.finish is None:
            raise ProviderUnavailable("The provider's answer broke off before its end.")
        return self._answer.complete()


def _read_usage(usage: Json) -> Usage:
    input_details = usage.get("input_tokens_details") or {}
    return total_usage(
        usage.get("input_tokens") or 0,
        usage.get("output_tokens") or 0,
        total_tokens=usage.get("total_tokens") or 0,
        cached=input_details.get("cached_tokens"),
        cache_written=input_details.get("cache_write_tokens"),
        reasoning=(usage.get("output_tokens_details") or {}).get("reasoning_tokens"),
    )
