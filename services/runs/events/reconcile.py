"""Brings the log of a run and its committed history together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_SUMMARY, ROLE_TOOL, Message
from perdure.runs.v1.run_pb2 import MessageDelta, RunEnded, RunEvent, RunStarted
from services.common.pieces import count_pieces
from services.runs.events.numbers import last_number


@dataclass(frozen=True)
class Reconciled:
    """What a log is worth, held against the history.

    `standing`: its events without those of discarded or uncommitted messages. `void`: messages shown in part that are
    not stored so, not yet declared void, by step. `missing`: stored messages that it lacks, in order.
    """

    standing: list[RunEvent] = field(default_factory=list)
    void: dict[str, list[str]] = field(default_factory=dict)
    missing: list[Message] = field(default_factory=list)

    @property
    def shown(self) -> set[str]:
        """The ids of the messages that the standing events show."""
        return {message_id for event in self.standing if (message_id := _message_id(event))}


def reconcile(log: Sequence[RunEvent], stored: Sequence[Message]) -> Reconciled:
    """Holds a log against the messages that are stored of its run, oldest first.

    A message is in the log when it is there whole, or when its deltas add up to it.
    """
    discarded = {message_id for event in log for message_id in event.step_discarded.message_ids}
    deltas: dict[str, list[RunEvent]] = defaultdict(list)
    for event in log:
        if event.WhichOneof("event") == "delta" and event.delta.message_id not in discarded:
            deltas[event.delta.message_id].append(event)
    whole = {event.message.id for event in log if event.WhichOneof("event") == "message"}
    answers = [message for message in stored if is_answer(message)]
    told = {message.id for message in answers if _adds_up(message, [event.delta for event in deltas[message.id]])}
    void: dict[str, list[str]] = defaultdict(list)
    for message_id, events in deltas.items():
        if events and message_id not in told:
            void[events[0].step_id].append(message_id)
    return Reconciled(
        standing=[event for event in log if _stands(event, told)],
        void=dict(void),
        missing=[message for message in answers if message.id not in whole | told],
    )


def is_answer(message: Message) -> bool:
    """Whether a message of a run's history is shown by its events: not its input."""
    if message.role == ROLE_ASSISTANT:
        return bool(message.model)  # one that a client put in has no model
    return message.role in (ROLE_TOOL, ROLE_SUMMARY)


def replay(
    log: Sequence[RunEvent], stored: Sequence[Message], ended: RunEnded, last_seqs: Mapping[str, int]
) -> list[RunEvent]:
    """The events of a run that has ended, for one who reads them later.

    `last_seqs` has the last number of each committed step: what must be told again is given the numbers that it had, so
    that a client which saw a part of it gets it, and one that saw all of it does not.
    """
    found = reconcile(log, stored)
    events = [event for event in found.standing if event.WhichOneof("event") != "ended"]
    if not events:
        events = [RunEvent(seq=1, started=RunStarted())]
    numbers = _Numbers(events, found.missing, last_seqs)
    for message in found.missing:
        event = RunEvent(seq=numbers.take(message), step_id=message.step_id, message=message)
        event.created_at.CopyFrom(message.created_at)
        events.append(event)
    last = RunEvent(seq=max(numbers.next, _end_of(log)), ended=ended)
    last.created_at.CopyFrom(events[-1].created_at)
    return [*events, last]


def without_void(events: Iterable[RunEvent]) -> list[RunEvent]:
    """Events without what was declared void among them, and without the declarations: for one who saw neither."""
    kept = list(events)
    discarded = {message_id for event in kept for message_id in event.step_discarded.message_ids}
    return [event for event in kept if _message_id(event) not in discarded and not event.HasField("step_discarded")]


class _Numbers:
    """The numbers of messages that are told again: as they were, where that is known."""

    def __init__(self, events: Sequence[RunEvent], missing: Sequence[Message], last_seqs: Mapping[str, int]) -> None:
        self.next = last_number(events[-1]) + 1
        widths: dict[str, int] = defaultdict(int)
        for message in missing:
            widths[message.step_id] += count_pieces(message)
        self._starts = {step: last_seqs[step] + 1 - size for step, size in widths.items() if step in last_seqs}

    def take(self, message: Message) -> int:
        """The first number of the next message."""
        number = max(self.next, self._starts.pop(message.step_id, 0))
        self.next = number + count_pieces(message)
        return number


def _end_of(log: Sequence[RunEvent]) -> int:
    return next((event.seq for event in reversed(log) if event.HasField("ended")), 0)


def _stands(event: RunEvent, told: set[str]) -> bool:
    kind = event.WhichOneof("event")
    return kind != "step_discarded" and (kind != "delta" or event.delta.message_id in told)


def _message_id(event: RunEvent) -> str:
    return event.delta.message_id or event.message.id


def _adds_up(message: Message, deltas: Sequence[MessageDelta]) -> bool:
    """Whether deltas add up to a message: the same text in each part."""
    if not deltas:
        return False
    told: dict[int, str] = defaultdict(str)
    for delta in deltas:
        told[delta.part_index] += delta.text or delta.reasoning or delta.tool_call.arguments
    parts = enumerate(message.parts)
    return all(told[index] == (part.text or part.reasoning.text or part.tool_call.arguments) for index, part in parts)
