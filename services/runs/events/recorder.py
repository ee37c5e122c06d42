"""Numbers a run's events and hands them to its followers and its log."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from perdure.conversation.v1.message_pb2 import Message
from perdure.runs.v1.run_pb2 import MessageDelta, RunEnded, RunEvent, RunStarted, StepDiscarded, ToolOutput
from services.runs.events.feed import Feed
from services.runs.events.log import EventLog
from services.runs.events.numbers import width


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
        self._open: dict[str, str] = {}  # message ids with deltas that are not stored yet, each with its step
        self._shown: set[str] = set()  # ids of messages that watchers have seen, whole or in deltas
        self.first_answer_ns: int | None = None
        self.has_ended = False

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self._next - 1

    def resume(self, after_seq: int, shown: Iterable[str]) -> None:
        """Goes on after the events of earlier attempts, which have shown these messages."""
        self._next = after_seq + 1
        self._shown.update(shown)

    def start(self) -> None:
        """The run has an owner."""
        self._add([RunEvent(started=RunStarted())])

    def deltas(self, step_id: str, deltas: Sequence[MessageDelta]) -> None:
        """More of a message that the model is writing."""
        for delta in deltas:
            self._open[delta.message_id] = step_id
            self._shown.add(delta.message_id)
        self._add([RunEvent(step_id=step_id, delta=delta) for delta in deltas])

    def messages(self, messages: Sequence[Message]) -> None:
        """Stored messages: whole, but for those that were shown already."""
        for message in messages:
            self._open.pop(message.id, None)
        new = [message for message in messages if message.id not in self._shown]
        self._shown.update(message.id for message in new)
        self._add([RunEvent(step_id=message.step_id, message=message) for message in new])

    def output(self, step_id: str, output: ToolOutput) -> None:
        """What a tool printed: for those who watch now, without a number of its own."""
        event = RunEvent(seq=self.last_seq, attempt=self._attempt, step_id=step_id, tool_output=output)
        event.created_at.FromDatetime(datetime.now(UTC))
        self._feed.publish([event])

    def discard(self) -> None:
        """Declares void what was shown of messages that will not be stored."""
        by_step: dict[str, list[str]] = {}
        for message_id, step_id in self._open.items():
            by_step.setdefault(step_id, []).append(message_id)
        self._open.clear()
        self.void(by_step)

    def void(self, by_step: dict[str, list[str]]) -> None:
        """Declares messages void, by the step that they belonged to."""
        self._shown.difference_update(message_id for ids in by_step.values() for message_id in ids)
        self._add(
            [RunEvent(step_id=step, step_discarded=StepDiscarded(message_ids=ids)) for step, ids in by_step.items()]
        )

    def end(self, ended: RunEnded) -> None:
        """The last event."""
        self.has_ended = True
        self._add([RunEvent(ended=ended)])

    def _add(self, events: list[RunEvent]) -> None:
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
        self._feed.publish(events)
        self._log.append(self._run_id, events)
