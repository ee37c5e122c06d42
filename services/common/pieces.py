"""Stored messages as the public API shows them: one message gives one or more pieces that share its id.

A part of reasoning or text is a piece of its own; all calls that need nobody are one piece, all that wait for the
client another. Pieces are dicts with their keys in the public order, ready for JSON.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_SUMMARY,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_SUCCESS,
    ApprovalAnswer,
    Image,
    Message,
    Part,
    ToolCall,
    ToolReturn,
)

Piece = dict[str, Any]  # a JSON object; its keys depend on its message_type

CALLS = "calls"
APPROVALS = "approvals"
_OTID_INDEX_BITS = 7  # bits; a piece's otid is the message's uuid with these replaced by the piece's index


@dataclass(frozen=True)
class Shown:
    """What a request wants to see. `types`: only these message types; `summaries`: as such, not as user messages.

    `speaking_tool`: the tool whose calls are shown as assistant messages, and the argument that holds the text.
    """

    types: frozenset[str] | None = None
    summaries: bool = False
    speaking_tool: str = ""
    speaking_argument: str = ""


EVERYTHING = Shown()


class PieceCounter:
    """Numbers the pieces of one message as its parts arrive."""

    def __init__(self) -> None:
        self._groups: dict[int | str, int] = {}

    def number(self, part_index: int, group: str = "") -> int:
        """The piece that a part belongs to, from 0. `group` is CALLS or APPROVALS for tool calls."""
        return self._groups.setdefault(group or part_index, len(self._groups))


def count_pieces(message: Message) -> int:
    """How many pieces a message has."""
    return max(1, len(_grouped(message))) if message.role == ROLE_ASSISTANT else 1


def piece_otid(message_id: str, number: int) -> str:
    """The otid of a message's piece: it ends in the digit of the number, for up to eight pieces."""
    digits = message_id[-36:]
    last = int(digits[-2:], 16) >> _OTID_INDEX_BITS << _OTID_INDEX_BITS
    return f"{digits[:-2]}{last | number:02x}"


def render_pieces(message: Message, shown: Shown = EVERYTHING) -> list[Piece]:
    """The pieces of a stored message, in order."""
    pieces = _RENDERERS[message.role](message, shown)
    if shown.types is None:
        return list(pieces)
    return [piece for piece in pieces if piece["message_type"] in shown.types]


def header(message: Message, message_type: str, otid: str | None) -> Piece:
    """The keys that every piece begins with."""
    return {
        "id": message.id,
        "date": print_date(message.created_at.ToDatetime(UTC)),
        "name": message.name or None,
        "message_type": message_type,
        "otid": otid,
        "sender_id": message.sender_id or None,
        "step_id": message.step_id or None,
        "is_err": None,
        "seq_id": None,
        "run_id": message.run_id or None,
    }


def print_date(time: datetime) -> str:
    """A message's date: whole seconds, with the zone."""
    return time.isoformat(timespec="seconds")


def print_call(call: ToolCall) -> Piece:
    """A tool call as the API shows it."""
    return {"name": call.name, "arguments": call.arguments, "tool_call_id": call.id}


def _grouped(message: Message) -> dict[int, list[Part]]:
    """The parts of each piece of an assistant message, by the piece's number."""
    counter = PieceCounter()
    pieces: dict[int, list[Part]] = {}
    for index, part in enumerate(message.parts):
        pieces.setdefault(counter.number(index, _group(part)), []).append(part)
    return pieces


def _group(part: Part) -> str:
    if part.WhichOneof("kind") != "tool_call":
        return ""
    return APPROVALS if part.tool_call.needs_approval else CALLS


def _assistant(message: Message, shown: Shown) -> Iterator[Piece]:
    for number, parts in _grouped(message).items():
        otid = piece_otid(message.id, number)
        kind = parts[0].WhichOneof("kind")
        if kind == "text":
            yield header(message, "assistant_message", otid) | {"content": parts[0].text}
        elif kind == "reasoning":
            yield _reasoning(message, parts[0], otid)
        elif kind == "tool_call":
            yield from _calls(message, [part.tool_call for part in parts], otid, shown)


def _reasoning(message: Message, part: Part, otid: str) -> Piece:
    thought = part.reasoning
    if thought.redacted:
        hidden = {"state": "redacted", "hidden_reasoning": thought.signature or None}
        return header(message, "hidden_reasoning_message", otid) | hidden
    source = thought_source(in_call=thought.in_call)
    shown = {"source": source, "reasoning": thought.text, "signature": thought.signature or None}
    return header(message, "reasoning_message", otid) | shown


def thought_source(*, in_call: bool) -> str:
    """What made a thought: a model that reasons by itself, or one that wrote it down as an argument of its call."""
    return "non_reasoner_model" if in_call else "reasoner_model"


def _calls(message: Message, calls: Sequence[ToolCall], otid: str, shown: Shown) -> Iterator[Piece]:
    spoken = spoken_text(calls[0], shown) if len(calls) == 1 else None
    if spoken is not None:
        yield header(message, "assistant_message", otid) | {"content": spoken}
        return
    waits = calls[0].needs_approval
    kind = "approval_request_message" if waits else "tool_call_message"
    printed = [print_call(call) for call in calls]
    yield header(message, kind, message.id if waits else otid) | {"tool_call": printed[0], "tool_calls": printed}


def spoken_text(call: ToolCall, shown: Shown) -> str | None:
    """What a call of the speaking tool says; None for every other call."""
    if not shown.speaking_tool or call.name != shown.speaking_tool:
        return None
    try:
        arguments = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return None
    text = arguments.get(shown.speaking_argument) if isinstance(arguments, Mapping) else None
    return text if isinstance(text, str) else None


def _user(message: Message, _: Shown) -> Iterator[Piece]:
    yield header(message, "user_message", message.otid or None) | {"content": _content(message.parts)}


def _system(message: Message, _: Shown) -> Iterator[Piece]:
    yield header(message, "system_message", message.otid or None) | {"content": _plain_text(message.parts)}


def _tool(message: Message, shown: Shown) -> Iterator[Piece]:
    if shown.speaking_tool and all(part.tool_return.name == shown.speaking_tool for part in message.parts):
        return  # the call is shown as what it says; nothing was returned to it but that it was said
    returns = [print_return(part.tool_return) for part in message.parts]
    first = returns[0]
    piece = header(message, "tool_return_message", piece_otid(message.id, 0))
    piece["name"] = next((part.tool_return.name for part in message.parts if part.tool_return.executed), None)
    piece |= {"tool_return": message.parts[0].tool_return.value}
    piece |= {key: first[key] for key in ("status", "tool_call_id", "stdout", "stderr")}
    yield piece | {"tool_returns": returns}


def print_return(returned: ToolReturn) -> Piece:
    """One tool return as the API shows it."""
    images = [print_image(image) for image in returned.images]
    text = [{"type": "text", "text": returned.value, "signature": None}] if returned.value else []
    return {
        "type": "tool",
        "tool_return": [*text, *images] if images else returned.value,
        "status": "success" if returned.status == TOOL_STATUS_SUCCESS else "error",
        "tool_call_id": returned.call_id,
        "stdout": list(returned.stdout) if returned.executed else None,
        "stderr": list(returned.stderr) if returned.executed else None,
    }


def _approval(message: Message, _: Shown) -> Iterator[Piece]:
    answers = [_print_answer(part.approval_answer) for part in message.parts]
    first = message.parts[0].approval_answer if message.parts else ApprovalAnswer()
    decided = first.WhichOneof("answer") == "approve"
    yield header(message, "approval_response_message", None) | {
        "approvals": answers,
        "approve": first.approve if decided else None,
        "approval_request_id": first.call_id or None,
        "reason": first.reason or None,
    }


def _print_answer(answer: ApprovalAnswer) -> Piece:
    if answer.WhichOneof("answer") == "result":
        return print_return(answer.result)
    decision = {"approve": answer.approve, "reason": answer.reason or None}
    return {"type": "approval", "tool_call_id": answer.call_id, **decision}


def _summary(message: Message, shown: Shown) -> Iterator[Piece]:
    if shown.summaries:
        content: Piece = {"summary": _plain_text(message.parts), "compaction_stats": None}
        yield header(message, "summary_message", None) | content
    else:
        yield header(message, "user_message", None) | {"content": summary_alert(message)}


def summary_alert(message: Message) -> str:
    """A summary as a user message: the JSON text that stands for the messages that it replaces."""
    return orjson.dumps(
        {
            "type": "system_alert",
            "message": f"Earlier messages no longer fit. This summary stands for them:\n{_plain_text(message.parts)}",
            "time": message.created_at.ToDatetime(UTC).strftime("%Y-%m-%d %I:%M:%S %p UTC%z"),
        },
        option=orjson.OPT_INDENT_2,
    ).decode()


def _content(parts: Sequence[Part]) -> str | list[Piece]:
    if len(parts) == 1 and parts[0].WhichOneof("kind") == "text":
        return parts[0].text
    return [
        print_image(part.image)
        if part.WhichOneof("kind") == "image"
        else {"type": "text", "text": part.text, "signature": None}
        for part in parts
    ]


def print_image(image: Image) -> Piece:
    """An image as the API shows it."""
    if image.WhichOneof("source") == "url":
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": image.media_type, "data": b64encode(image.data).decode()}
    return {"type": "image", "source": {**source, "detail": image.detail or None}}


def _plain_text(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts)


_RENDERERS = {
    ROLE_ASSISTANT: _assistant,
    ROLE_USER: _user,
    ROLE_SYSTEM: _system,
    ROLE_TOOL: _tool,
    ROLE_APPROVAL: _approval,
    ROLE_SUMMARY: _summary,
}
