"""Numbers a run's events and hands them to its log and its followers."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from perdure.conversation.v1.message_pb2 import Message
from perdure.runs.v1.run_pb2 import MessageDelta, RunEnded, RunEvent, RunStarted, ToolOutput
from services.runs.events.feed import Feed
from services.runs.events.log import EventLog
from services.runs.events.numbers import LOST_NUMBERS, last_number, width
from services.runs.events.reconcile import Reconciled, declare_void


class Recorder:
    """The one writer of a run's events, for one attempt.

    `last_seq` is the number of the last event so far. `first_answer_ns` is when the first of the answer came, on the
    monotonic clock; None before.
    """

    def __init__(self, run_id: str, attempt: int, feed: Feed, log: EventLog) -> None:
        self._run_id = run_id
        self._attempt = attempt
        self._feed = feed
        self._log = log
        self._next = 1
        self._open: list[RunEvent] = []  # deltas of messages that are not stored yet
        self._shown: set[str] = set()  # ids of messages that watchers have seen, whole or in deltas
        self.first_answer_ns: int | None = None
        self.has_ended = False

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self._next - 1

    def resume(self, found: Reconciled, *, last_seq: int, is_whole: bool) -> None:
        """Goes on after the events of earlier attempts, the last of which has this number as far as is known.

        `is_whole`: they have shown nothing that is not in the log.
        """
        self._shown.update(found.shown)
        self._feed.publish(found.standing + found.void)
        if not found.standing:
            self.start()
        first_void = last_number(found.standing[-1]) + 1 if found.standing else self._next
        self._next = max(last_seq + 1, first_void)
        if not is_whole:
            self._next += LOST_NUMBERS
        if self._next > first_void:
            self._record([declare_void(self._next, first_void, found.void)])
        self.messages(found.missing)

    def start(self) -> None:
        """The run has an owner."""
        self._record([RunEvent(started=RunStarted())])

    def deltas(self, step_id: str, deltas: Sequence[MessageDelta]) -> None:
        """More of a message that the model is writing."""
        self._shown.update(delta.message_id for delta in deltas)
        events = [RunEvent(step_id=step_id, delta=delta) for delta in deltas]
        self._record(events)
        self._open += events

    def messages(self, messages: Sequence[Message]) -> None:
        """Stored messages: whole, but for those that were shown already. What is shown else is void by now."""
        stored = {message.id for message in messages}
        self._open = [event for event in self._open if event.delta.message_id not in stored]
        new = [message for message in messages if message.id not in self._shown]
        if new:
            self.discard()
        self._shown.update(message.id for message in new)
        self._record([RunEvent(step_id=message.step_id, message=message) for message in new])

    def output(self, step_id: str, output: ToolOutput) -> None:
        """What a tool printed: for those who watch now, without a number of its own."""
        event = RunEvent(seq=self.last_seq, attempt=self._attempt, step_id=step_id, tool_output=output)
        event.created_at.FromDatetime(datetime.now(UTC))
        self._feed.publish([event])

    def discard(self) -> None:
        """Declares void what was shown of messages that will not be stored."""
        void, self._open = self._open, []
        if void:
            self._shown.difference_update(event.delta.message_id for event in void)
            self._record([declare_void(self._next, void[0].seq, void)])

    def end(self, ended: RunEnded) -> None:
        """The last event."""
        self.has_ended = True
        self._record([RunEvent(ended=ended)])

    def _record(self, events: list[RunEvent]) -> None:
        if not events:
            return
        now = datetime.now(UTC)
        for event in events:
            event.seq = self._next
            event.attempt = self._attempt
            event.created_at.FromDatetime(now)
            self._next += width(event)
        if self.first_answer_ns is None and events[0].WhichOneof("event") in ("delta", "message"):
            self.first_answer_ns = time.monotonic_ns()
        self._log.append(self._run_id, events, partial(self._feed.publish, events))
