"""A run's end as one JSON answer, and its events as a stream."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import orjson

from perdure.conversation.v1.message_pb2 import Message
from perdure.runs.v1.run_pb2 import RunEnded, RunError, RunEvent
from services.common.errors import Json, PerdureError
from services.common.pieces import Shown, render_pieces
from services.runs.rest.events import EventRenderer, print_stop_reason, print_usage
from services.runs.silence import mark_silence

PING_AFTER_S = 20.0  # seconds of silence before a stream gets a ping
BLANK_AFTER_S = 30.0  # seconds before a blocking call gets white space; clients give up after 60 without a byte
EVENTS_AT_ONCE = 250  # that are printed while nothing else is done: a few milliseconds

Events = AsyncIterator[Sequence[RunEvent]]


class TurnFailed(PerdureError):
    """A turn broke off before anything was answered; the SDK is told not to repeat it."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message, should_retry=False)
        self.http_status = error.http_status or HTTPStatus.INTERNAL_SERVER_ERROR
        self.reason = error.reason or "INTERNAL"
        self._error = error

    def body(self) -> dict[str, Json]:
        """The public body: `{"error": …}`, but `{"detail": …}` for what is no fault of the model's call."""
        if self.reason in ("LLM_OVERLOADED", "CONTEXT_WINDOW_EXCEEDED"):
            return super().body()
        return {"error": print_error(self._error)}


def print_error(error: RunError) -> dict[str, Json]:
    """What went wrong, as the API shows it."""
    kind = "llm_error" if error.type == "llm_empty_response" else error.type  # only streams have a name for it
    return {"type": kind, "message": error.message, "detail": error.detail or None}


async def stream_events(
    events: Events, renderer: EventRenderer, *, after_seq: int = 0, read_timeout_s: float = math.inf
) -> AsyncGenerator[bytes, None]:
    """The lines of a stream, a chunk for each batch of events, and pings in silence, before the client gives up.

    A large batch makes several chunks: who reads slowly gets thousands of events at once.
    """
    async with aclosing(mark_silence(events, min(PING_AFTER_S, read_timeout_s / 2))) as batches:
        async for batch in batches:
            for chunk in [renderer.ping()] if batch is None else _chunks(batch, renderer, after_seq):
                if chunk:
                    yield chunk


def _chunks(batch: Sequence[RunEvent], renderer: EventRenderer, after_seq: int) -> Iterator[bytes]:
    for start in range(0, len(batch), EVENTS_AT_ONCE):
        events = batch[start : start + EVENTS_AT_ONCE]
        yield b"".join(renderer.render(event, after_seq) for event in events)


async def answer_at_end(
    events: Events, shown: Shown, *, read_timeout_s: float = math.inf
) -> AsyncGenerator[bytes, None]:
    """The JSON answer of a blocking call when the run has ended; until then white space, before the client gives up.

    Raises `TurnFailed` while the status can still be chosen; once white space was sent, the body tells.
    """
    committed: list[Message] = []
    waited = False
    async with aclosing(mark_silence(events, min(BLANK_AFTER_S, read_timeout_s / 2))) as batches:
        async for batch in batches:
            if batch is None:
                waited = True
                yield b" "
                continue
            for event in batch:
                if event.HasField("message"):
                    committed.append(event.message)
                elif event.HasField("ended"):
                    yield _answer(committed, event.ended, shown, late=waited)
                    return


def _answer(committed: list[Message], ended: RunEnded, shown: Shown, *, late: bool) -> bytes:
    if ended.HasField("error") and not late:
        raise TurnFailed(ended.error)
    answer: dict[str, Any] = {  # Any: pieces are JSON objects
        "messages": [piece for message in committed for piece in render_pieces(message, shown)],
        "stop_reason": print_stop_reason(ended),
        "usage": print_usage(ended),
        "logprobs": None,
        "turns": None,
    }
    if ended.HasField("error"):
        answer["error"] = print_error(ended.error)
    return orjson.dumps(answer)
