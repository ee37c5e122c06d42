"""The rule that keeps a history valid for every provider: each call has exactly one return, right after it."""

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
from services.agents.turns.errors import UnpairedReturns
from services.common.calls import tool_calls, tool_returns

LOST = "Error: the tool was interrupted; whether it did its work is unknown."


@dataclass
class Repair:
    """A window that keeps the rule, and what had to be mended in it."""

    window: list[Message] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def return_parts(returns: Iterable[ToolReturn]) -> list[Part]:
    """Returns as the parts of a message."""
    return [Part(tool_return=returned) for returned in returns]


def failed_return(call: ToolCall, text: str) -> ToolReturn:
    """A return that tells why the call gave nothing."""
    return ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_ERROR, value=text)


def in_call_order(calls: Sequence[ToolCall], returns: Sequence[ToolReturn]) -> list[ToolReturn]:
    """One return for each call, in the calls' order. Raises `UnpairedReturns` when they do not match."""
    by_call = {returned.call_id: returned for returned in returns}
    wanted = [call.id for call in calls]
    if len(by_call) != len(returns) or len(set(wanted)) != len(wanted) or set(wanted) != by_call.keys():
        raise UnpairedReturns(f"The calls {wanted} need one return each, not {[r.call_id for r in returns]}.")
    return [by_call[call_id] for call_id in wanted]


def repair(window: Sequence[Message], open_request_id: str | None = None) -> Repair:
    """The window with a return for every call and no other return.

    The calls of `open_request_id` stay open: their returns are still to come. Answers to approval requests may stand
    between calls and returns.
    """
    repaired = Repair()
    index = 0
    while index < len(window):
        message = window[index]
        index += 1
        if message.role == ROLE_TOOL:
            repaired.problems.append(f"{message.id} has returns without calls")
            continue
        repaired.window.append(message)
        calls = tool_calls(message) if message.role == ROLE_ASSISTANT else []
        if not calls or message.id == open_request_id:
            continue
        while index < len(window) and window[index].role == ROLE_APPROVAL:
            repaired.window.append(window[index])
            index += 1
        found = window[index] if index < len(window) and window[index].role == ROLE_TOOL else None
        index += found is not None
        repaired.window.append(_close(message, calls, found, repaired.problems))
    return repaired


def _close(request: Message, calls: Sequence[ToolCall], found: Message | None, problems: list[str]) -> Message:
    """The message of returns that belongs right after the calls."""
    returns = tool_returns(found) if found else []
    wanted = [call.id for call in calls]
    if found is not None and [returned.call_id for returned in returns] == wanted:
        return found
    problems.append(f"{request.id} has the calls {wanted} and the returns {[r.call_id for r in returns]}")
    by_call = {returned.call_id: returned for returned in reversed(returns)}
    closed = Message()
    closed.CopyFrom(found if found is not None else _empty_returns(request))
    del closed.parts[:]
    closed.parts.extend(return_parts(by_call.get(call.id) or failed_return(call, LOST) for call in calls))
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
