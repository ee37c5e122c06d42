"""The events in which a response is streamed."""

import itertools
from collections.abc import Iterator
from typing import Any

import orjson

from tests.fakes.provider.prompt import Body
from tests.fakes.provider.tokens import split_tokens
from tests.fakes.provider.vendor import Frame


class ResponseEvents:
    """Numbers the events of one response."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def emit(self, kind: str, *, is_token: bool = False, **fields: Any) -> Frame:  # Any: JSON
        """One event."""
        data = orjson.dumps({"type": kind, "sequence_number": next(self._numbers), **fields})
        return Frame(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n", is_token)

    def emit_item(self, index: int, item: Body) -> Iterator[Frame]:
        """All events of an output item, from `added` to `done`."""
        opened = {**item, **_EMPTY[item["type"]]}
        if "status" in opened:
            opened["status"] = "in_progress"
        yield self.emit("response.output_item.added", output_index=index, item=opened)
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            yield from self._emit_arguments(place, item)
        elif item["type"] == "message":
            yield from self._emit_text(place, item["content"][0])
        else:
            for number, part in enumerate(item["summary"]):
                yield from self._emit_summary({**place, "summary_index": number}, part)
        yield self.emit("response.output_item.done", output_index=index, item=item)

    def _emit_arguments(self, place: Body, item: Body) -> Iterator[Frame]:
        start = "response.function_call_arguments"
        for piece in split_tokens(item["arguments"]):
            yield self.emit(f"{start}.delta", is_token=True, delta=piece, **place)
        yield self.emit(f"{start}.done", arguments=item["arguments"], name=item["name"], **place)

    def _emit_text(self, place: Body, part: Body) -> Iterator[Frame]:
        place = {**place, "content_index": 0}
        yield self.emit("response.content_part.added", part={**part, "text": ""}, **place)
        for piece in split_tokens(part["text"]):
            yield self.emit("response.output_text.delta", is_token=True, delta=piece, logprobs=[], **place)
        yield self.emit("response.output_text.done", text=part["text"], logprobs=[], **place)
        yield self.emit("response.content_part.done", part=part, **place)

    def _emit_summary(self, place: Body, part: Body) -> Iterator[Frame]:
        yield self.emit("response.reasoning_summary_part.added", part={**part, "text": ""}, **place)
        for piece in split_tokens(part["text"]):
            yield self.emit("response.reasoning_summary_text.delta", is_token=True, delta=piece, **place)
        yield self.emit("response.reasoning_summary_text.done", text=part["text"], **place)
        yield self.emit("response.reasoning_summary_part.done", part=part, **place)


# What an item lacks while it is being written.
_EMPTY: dict[str, Body] = {
    "function_call": {"arguments": ""},
    "message": {"content": []},
    "reasoning": {"summary": []},
}
