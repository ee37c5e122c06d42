"""Brings the log of a run and its committed history together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_SUMMARY, ROLE_TOOL, Message
from perdure.runs.v1.run_pb2 import MessageDelta, RunEnded, RunEvent, RunStarted, StepDiscarded
from services.common.pieces import count_pieces
from services.runs.events.numbers import last_number, unbroken
from services.runs.records import Run


@dataclass(frozen=True)
class Reconciled:
    """What a log is worth, held against the history.

    `standing`: its first events, up to the first that is void and not yet declared so. `void`: the rest. `missing`:
    stored messages that the standing events lack, in order.
    """

    standing: list[RunEvent] = field(default_factory=list)
    void: list[RunEvent] = field(default_factory=list)
    missing: list[Message] = field(default_factory=list)

    @property
    def shown(self) -> set[str]:
        """The ids of the messages that the standing events show."""
        return _shown(self.standing)


def reconcile(log: Sequence[RunEvent], stored: Sequence[Message]) -> Reconciled:
    """Holds a log against the messages of its run that are stored and shown, oldest first.

    A message is in the log when it is there whole, or when its deltas add up to it.
    """
    deltas: dict[str, list[MessageDelta]] = defaultdict(list)
    for event in without_void(log):
        if event.HasField("delta"):
            deltas[event.delta.message_id].append(event.delta)
    told = {message.id for message in stored if _adds_up(message, deltas[message.id])}
    lost = deltas.keys() - told
    cut = next((index for index, event in enumerate(log) if event.delta.message_id in lost), len(log))
    shown = _shown(without_void(log[:cut]))
    return Reconciled(list(log[:cut]), list(log[cut:]), [message for message in stored if message.id not in shown])


def answers_of(run: Run, stored: Iterable[Message]) -> list[Message]:
    """The stored messages of a run that its events show: not its input, and summaries only where its sender asks."""
    return [message for message in stored if _is_answer(message, summaries=run.shows_summaries)]


def replay(
    log: Sequence[RunEvent], stored: Sequence[Message], ended: RunEnded, last_seqs: Mapping[str, int]
) -> list[RunEvent]:
    """The events of a run that has ended, whose log has no end or lost events before it.

    `last_seqs` has the last number of each committed step: what must be told again is given the numbers that it had, so
    that a client which saw a part of it gets it, and one that saw all of it does not.
    """
    found = reconcile([event for event in unbroken(log) if not event.HasField("ended")], stored)
    told = _Retold(found.standing or [RunEvent(seq=1, started=RunStarted())], found.missing, last_seqs)
    if found.void:
        told.discard(last_number(found.void[-1]) + 1, found.void)
    for message in found.missing:
        told.add(message)
    last = RunEvent(seq=max(told.next, _end_of(log)), ended=ended)
    last.created_at.CopyFrom(told.events[-1].created_at)
    if last.seq > told.next:
        told.discard(last.seq - 1)
    return [*told.events, last]


def without_void(events: Iterable[RunEvent]) -> list[RunEvent]:
    """Events without those that are declared void among them: for one who has seen none. The declarations stay."""
    kept: list[RunEvent] = []
    for event in events:
        if event.HasField("step_discarded"):
            while kept and kept[-1].seq >= event.step_discarded.first_seq:
                kept.pop()
        kept.append(event)
    return kept


def declare_void(seq: int, first_seq: int, events: Iterable[RunEvent] = ()) -> RunEvent:
    """Declares void what is numbered from `first_seq` up to `seq`, as far as it is known these events."""
    void = list(events)
    ids = dict.fromkeys(event.delta.message_id or event.message.id for event in void)
    declared = StepDiscarded(message_ids=filter(None, ids), first_seq=first_seq)
    return RunEvent(seq=seq, step_id=void[0].step_id if void else "", step_discarded=declared)


class _Retold:
    """Events to which messages are added that were told before: under the numbers that they had, where known."""

    def __init__(self, events: list[RunEvent], missing: Sequence[Message], last_seqs: Mapping[str, int]) -> None:
        self.events = events
        self.next = last_number(events[-1]) + 1
        widths: dict[str, int] = defaultdict(int)
        for message in missing:
            widths[message.step_id] += count_pieces(message)
        self._starts = {step: last_seqs[step] + 1 - size for step, size in widths.items() if step in last_seqs}

    def add(self, message: Message) -> None:
        """The next message. The numbers that its deltas had before it are void."""
        start = max(self.next, self._starts.pop(message.step_id, 0))
        if start > self.next:
            self.discard(start - 1)
        event = RunEvent(seq=start, step_id=message.step_id, message=message)
        event.created_at.CopyFrom(message.created_at)
        self.events.append(event)
        self.next = start + count_pieces(message)

    def discard(self, seq: int, void: Iterable[RunEvent] = ()) -> None:
        """Declares the numbers up to `seq` void."""
        event = declare_void(seq, self.next, void)
        event.created_at.CopyFrom(self.events[-1].created_at)
        self.events.append(event)
        self.next = seq + 1


def _is_answer(message: Message, *, summaries: bool) -> bool:
    if message.role == ROLE_ASSISTANT:
        return bool(message.model)  # one that a client put in has no model
    return message.role == ROLE_TOOL or (summaries and message.role == ROLE_SUMMARY)


def _end_of(log: Sequence[RunEvent]) -> int:
    return next((event.seq for event in reversed(log) if event.HasField("ended")), 0)


def _shown(events: Iterable[RunEvent]) -> set[str]:
    return {message_id for event in events if (message_id := event.delta.message_id or event.message.id)}


def _adds_up(message: Message, deltas: Sequence[MessageDelta]) -> bool:
    """Whether deltas add up to a message: the same text in each part."""
    if not deltas:
        return False
    told: dict[int, str] = defaultdict(str)
    for delta in deltas:
        told[delta.part_index] += delta.text or delta.reasoning or delta.tool_call.arguments
    parts = enumerate(message.parts)
    return all(told[index] == (part.text or part.reasoning.text or part.tool_call.arguments) for index, part in parts)
