"""The rule that keeps a history valid for every provider: each call has exactly one return, right after it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    TOOL_STATUS_ERROR,
    Message,
    Part,
    ToolCall,
    ToolReturn,
)
from services.common.calls import tool_calls, tool_returns


@dataclass
class Repair:
    """A window that keeps the rule, and what had to be mended in it."""

    window: list[Message] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def interruption(call: ToolCall) -> str:
    """What the model is told of a call that may have been made, and of which nobody knows what came."""
    return f"Error: the call of {call.name} was interrupted. Whether it took effect is not known."


def failed_return(call: ToolCall, text: str) -> ToolReturn:
    """A return that tells why the call gave nothing."""
    return ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_ERROR, value=text)


def repair(window: Sequence[Message], open_request_id: str | None = None) -> Repair:
    """The window with a return for every call, right after it, and no other return.

    A return that stands too late goes to its call; a call without any gets one that says so. The calls of
    `open_request_id` stay open: their returns are still to come. Answers to approval requests may stand between calls
    and returns. Ids may come again in later messages.
    """
    repaired = Repair()
    strays: _Strays | None = None  # looked for only where returns are missing
    closed = 0  # messages before this one are in the repaired window, or left out of it
    for index, message in enumerate(window):
        if index < closed:
            continue
        if message.role == ROLE_TOOL:
            repaired.problems.append(f"{message.id} has returns that are not behind their calls")
            continue
        repaired.window.append(message)
        calls = _calls(message)
        if not calls or message.id == open_request_id:
            continue
        end = _end_of_answers(window, index + 1)
        repaired.window += window[index + 1 : end]
        found = window[end] if end < len(window) and window[end].role == ROLE_TOOL else None
        closed = end + (found is not None)
        if found is not None and _fit(calls, found):
            repaired.window.append(found)
            continue
        repaired.problems.append(f"{message.id} has calls without returns behind them: {[call.id for call in calls]}")
        strays = strays or _Strays(window)
        returns = [strays.take(call, index) for call in calls]
        repaired.window.append(_with_returns(found or _empty_returns(message), returns))
    return repaired


class _Strays:
    """The returns in a window that are not just what the calls before them want."""

    def __init__(self, window: Sequence[Message]) -> None:
        self._places: dict[str, list[tuple[int, ToolReturn]]] = defaultdict(list)
        calls: Sequence[ToolCall] = ()
        for index, message in enumerate(window):
            if message.role == ROLE_TOOL and not _fit(calls, message):
                for returned in tool_returns(message):
                    self._places[returned.call_id].append((index, returned))
            if message.role != ROLE_APPROVAL:
                calls = _calls(message)

    def take(self, call: ToolCall, asked: int) -> ToolReturn:
        """The first return of a call that comes after it; one that says that there is none."""
        places = self._places[call.id]
        later = next((place for place, (index, _) in enumerate(places) if index > asked), None)
        return failed_return(call, interruption(call)) if later is None else places.pop(later)[1]


def _calls(message: Message) -> Sequence[ToolCall]:
    return tool_calls(message) if message.role == ROLE_ASSISTANT else ()


def _fit(calls: Sequence[ToolCall], message: Message) -> bool:
    """Whether a message has one return for each call, in order."""
    return bool(calls) and [returned.call_id for returned in tool_returns(message)] == [call.id for call in calls]


def _end_of_answers(window: Sequence[Message], begin: int) -> int:
    """Where the answers to approval requests end that begin here."""
    return next((at for at in range(begin, len(window)) if window[at].role != ROLE_APPROVAL), len(window))


def _with_returns(message: Message, returns: Iterable[ToolReturn]) -> Message:
    closed = Message()
    closed.CopyFrom(message)
    del closed.parts[:]
    closed.parts.extend(Part(tool_return=returned) for returned in returns)
    return closed


def _empty_returns(request: Message) -> Message:
    """A message for returns that were never stored; it lives in this window only and borrows the request's id."""
    return Message(
        id=request.id,
        role=ROLE_TOOL,
        created_at=request.created_at,
        run_id=request.run_id,
        step_id=request.step_id,
        agent_id=request.agent_id,
        conversation_id=request.conversation_id,
    )
