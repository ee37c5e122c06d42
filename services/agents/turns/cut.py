"""Which part of a context window goes, so that the rest fits.

A window is cut between steps only: calls never lose their returns, nor returns their calls.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from perdure.conversation.v1.message_pb2 import ROLE_APPROVAL, ROLE_ASSISTANT, ROLE_SUMMARY, ROLE_TOOL, Message
from services.agents.turns.token_count import message_chars
from services.common.calls import tool_calls, tool_returns

MIN_CLIPPED_CHARS = 1_000  # characters; less of a tool return would say nothing any more
LONG_CHARS = 2_000  # characters; shorter tool returns stay whole


@dataclass(frozen=True)
class Limits:
    """How much of a window may stay, in characters, and the least share of its messages that goes.

    `other_chars` are sent beside the window; `summary_chars` are kept free for a summary.
    """

    chars: int
    other_chars: int
    summary_chars: int
    share: float  # 0 to 1


@dataclass(frozen=True)
class Cut:
    """What goes: messages that leave the window, and the length that long tool returns of the rest are clipped to."""

    evicted: Sequence[Message]
    clipped_to: int | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing can go."""
        return not self.evicted and self.clipped_to is None

    @property
    def worth_a_summary(self) -> bool:
        """More goes than an earlier summary."""
        return any(message.role != ROLE_SUMMARY for message in self.evicted)


def split_units(window: Sequence[Message]) -> list[list[Message]]:
    """The window's messages in groups that only leave together: a step, or a message of another kind."""
    units: list[list[Message]] = []
    for message in window:
        belongs = message.role in (ROLE_TOOL, ROLE_APPROVAL)
        if belongs and units and units[-1][0].role == ROLE_ASSISTANT and tool_calls(units[-1][0]):
            units[-1].append(message)
        else:
            units.append([message])
    return units


def plan_cut(window: Sequence[Message], *, kept_ids: Collection[str], latest_run_id: str | None, limits: Limits) -> Cut:
    """The oldest steps that go so that the rest keeps the limits.

    The system message and what `kept_ids` names stay, and so does the latest step of the run, as long as clipping its
    tool returns helps. An empty cut: nothing of that is left to remove.
    """
    units = split_units(window[1:])
    removable = [unit for unit in units if not any(message.id in kept_ids for message in unit)]
    latest = units[-1] if units else []
    if removable and removable[-1] is latest and latest[0].run_id == latest_run_id:
        removable.pop()
    else:
        latest = []
    evicted = _evict(removable, window, limits)
    stays = [message for message in window if all(message is not gone for gone in evicted)]
    cut = Cut(evicted, _clip(stays, limits))
    return Cut(latest) if cut.is_empty else cut


def _evict(removable: Sequence[Sequence[Message]], window: Sequence[Message], limits: Limits) -> list[Message]:
    wanted = math.ceil(limits.share * (len(window) - 1))
    chars = limits.other_chars + limits.summary_chars + _total(window)
    evicted: list[Message] = []
    for unit in removable:
        if evicted and len(evicted) >= wanted and chars <= limits.chars:
            break
        evicted += unit
        chars -= _total(unit)
    return evicted


def _clip(stays: Sequence[Message], limits: Limits) -> int | None:
    """The length for long tool returns, where the rest is still too long because of them."""
    lengths = [len(returned.value) for message in stays for returned in tool_returns(message)]
    excess = limits.other_chars + limits.summary_chars + _total(stays) - limits.chars
    if excess <= 0 or max(lengths, default=0) <= LONG_CHARS:
        return None
    room = sum(lengths) - excess
    return max(_even_length(lengths, room), MIN_CLIPPED_CHARS)


def _even_length(lengths: Sequence[int], room: int) -> int:
    """The length at which texts must be cut so that together they take no more than `room`."""
    left = room
    for index, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - index)
        if length > share:
            return share
        left -= length
    return max(lengths)


def _total(messages: Sequence[Message]) -> int:
    return sum(map(message_chars, messages))
