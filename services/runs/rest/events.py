"""A run's events as server-sent events of the public API."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import orjson

from perdure.conversation.v1.message_pb2 import Usage
from perdure.runs.v1.run_pb2 import MessageDelta, RunEnded, RunEvent, ToolCallDelta
from services.common.ids import new_id
from services.common.pieces import Piece, Shown, piece_otid, print_date, render_pieces, thought_source
from services.runs.names import stop_reason_name
from services.runs.rest.speech import Speech

DONE = b"data: [DONE]\n\n"
_ALWAYS_SHOWN = frozenset(("ping", "stop_reason", "usage_statistics"))


class EventRenderer:
    """Renders the events of one run for one client."""

    def __init__(self, run_id: str, shown: Shown, *, pings: bool) -> None:
        self._run_id = run_id
        self._shown = shown
        self._unfiltered = replace(shown, types=None)  # pieces are numbered before they are filtered
        self._pings = pings
        self._last_seq = 0
        self._speeches: dict[str, Speech] = {}

    def render(self, event: RunEvent, after_seq: int = 0) -> bytes:
        """The lines for one event, or nothing. Of a message, only the pieces numbered above `after_seq`."""
        self._last_seq = max(self._last_seq, event.seq)
        kind = event.WhichOneof("event")
        if kind == "delta":
            return self._delta(event)
        if kind == "message":
            return b"".join(self._pieces(event, after_seq))
        if kind == "started":
            return self.ping(event.created_at.ToDatetime(UTC)) if event.seq > after_seq else b""
        if kind == "step_discarded":
            return b"event: perdure.step_discarded\n" + _data(self._discarded(event))
        if kind == "ended":
            return b"".join(self._end(event.ended, event.seq))
        return b""

    def _discarded(self, event: RunEvent) -> Piece:
        """What is void: all that has numbers from `first_seq_id` up to `seq_id`."""
        return {
            "run_id": self._run_id,
            "step_id": event.step_id or None,
            "seq_id": event.seq,
            "first_seq_id": event.step_discarded.first_seq,
            "message_ids": list(event.step_discarded.message_ids),
        }

    def ping(self, at: datetime | None = None) -> bytes:
        """A sign of life; carries the last number. Nothing where the client wants none."""
        if not self._pings:
            return b""
        ping = {
            "id": new_id("ping"),
            "date": print_date((at or datetime.now(UTC)).replace(microsecond=0)),
            "name": None,
            "message_type": "ping",
            "otid": None,
            "sender_id": None,
            "step_id": None,
            "is_err": None,
            "seq_id": self._last_seq or None,
            "run_id": self._run_id,
        }
        return _data(ping)

    def _pieces(self, event: RunEvent, after_seq: int) -> Iterator[bytes]:
        for offset, piece in enumerate(render_pieces(event.message, self._unfiltered)):
            self._last_seq = event.seq + offset
            if self._last_seq > after_seq and self._wanted(piece):
                yield _data({**piece, "seq_id": self._last_seq})

    def _delta(self, event: RunEvent) -> bytes:
        delta = event.delta
        kind = delta.WhichOneof("delta")
        otid = piece_otid(delta.message_id, delta.piece_index)
        if kind == "text":
            piece = self._header(event, "assistant_message", otid) | {"content": delta.text}
        elif kind == "reasoning":
            source = thought_source(in_call=delta.in_call)
            thought = {"source": source, "reasoning": delta.reasoning, "signature": None}
            piece = self._header(event, "reasoning_message", otid) | thought
        elif (speech := self._speech(delta.tool_call)) is not None:
            spoken = speech.hear(delta.tool_call.arguments)
            if not spoken:
                return b""
            piece = self._header(event, "assistant_message", otid) | {"content": spoken}
        else:
            piece = self._call(event, delta, otid)
        return _data(piece) if self._wanted(piece) else b""

    def _speech(self, call: ToolCallDelta) -> Speech | None:
        """What a call of the speaking tool says; None for other calls."""
        if self._shown.speaking_tool and call.name == self._shown.speaking_tool and not call.needs_approval:
            self._speeches[call.id] = Speech(self._shown.speaking_argument)
        return self._speeches.get(call.id)

    def _call(self, event: RunEvent, delta: MessageDelta, otid: str) -> Piece:
        call = print_call_delta(delta.tool_call)
        if delta.tool_call.needs_approval:
            header = self._header(event, "approval_request_message", delta.message_id)
            call = {"name": None, "arguments": None} | call
        else:
            header = self._header(event, "tool_call_message", otid)
        return header | {"tool_call": call, "tool_calls": call}

    def _header(self, event: RunEvent, message_type: str, otid: str) -> Piece:
        return {
            "id": event.delta.message_id,
            "date": print_date(event.created_at.ToDatetime(UTC).replace(microsecond=0)),
            "name": None,
            "message_type": message_type,
            "otid": otid,
            "sender_id": None,
            "step_id": event.step_id,
            "is_err": None,
            "seq_id": event.seq,
            "run_id": self._run_id,
        }

    def _end(self, ended: RunEnded, seq: int) -> Iterator[bytes]:
        yield _data(print_stop_reason(ended))
        if ended.HasField("error"):
            yield b"event: error\n" + _data(
                {
                    "message_type": "error_message",
                    "run_id": self._run_id,
                    "error_type": ended.error.type,
                    "message": ended.error.message,
                    "detail": ended.error.detail or None,
                    "seq_id": seq + 1,
                }
            )
        else:
            yield _data(print_usage(ended))
        yield DONE

    def _wanted(self, piece: Piece) -> bool:
        types = self._shown.types
        return types is None or piece["message_type"] in types or piece["message_type"] in _ALWAYS_SHOWN


def print_call_delta(call: ToolCallDelta) -> Piece:
    """A fragment of a call: only the keys that it has; the id always."""
    piece: Piece = {"name": call.name} if call.name else {}
    if call.arguments:
        piece["arguments"] = call.arguments
    return piece | {"tool_call_id": call.id}


def print_stop_reason(ended: RunEnded) -> Piece:
    """Why a run ended."""
    return {"message_type": "stop_reason", "stop_reason": stop_reason_name(ended.stop_reason)}


def print_usage(ended: RunEnded) -> Piece:
    """The tokens of a run's committed steps."""
    usage = ended.usage
    return {
        "message_type": "usage_statistics",
        "completion_tokens": usage.completion_tokens,
        "prompt_tokens": usage.prompt_tokens,
        "total_tokens": usage.total_tokens,
        "step_count": ended.steps,
        "run_ids": None,
        "cached_input_tokens": known_count(usage, "cached_input_tokens"),
        "cache_write_tokens": known_count(usage, "cache_write_tokens"),
        "reasoning_tokens": known_count(usage, "reasoning_tokens"),
        "context_tokens": ended.context_tokens or None,
    }


def known_count(usage: Usage, name: str) -> int | None:
    """A token count, or None where the provider did not say."""
    return int(getattr(usage, name)) if usage.HasField(name) else None  # type: ignore[arg-type]  # one of Usage's own


def _data(value: Piece) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
