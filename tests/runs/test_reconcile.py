"""A log against the history."""

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_TOOL, Message, Part, ToolReturn
from perdure.runs.v1.run_pb2 import MessageDelta, RunEnded, RunEvent, RunStarted, StepDiscarded
from services.runs.events.numbers import unbroken
from services.runs.events.reconcile import reconcile, replay, without_void

ASSISTANT = Message(id="message-a", role=ROLE_ASSISTANT, model="m", step_id="step-1", parts=[Part(text="Hello you")])
TOOL = Message(id="message-t", role=ROLE_TOOL, step_id="step-1", parts=[Part(tool_return=ToolReturn(value="1"))])
STARTED = RunEvent(seq=1, started=RunStarted())


def delta(seq: int, text: str, message_id: str = "message-a") -> RunEvent:
    return RunEvent(seq=seq, step_id="step-1", delta=MessageDelta(message_id=message_id, text=text))


def test_a_hole_ends_what_a_log_is_trusted_for() -> None:
    log = [STARTED, delta(2, "Hello"), delta(4, "you")]

    assert unbroken(log) == log[:2]
    assert unbroken(log[1:]) == []


def test_deltas_that_add_up_stand() -> None:
    log = [STARTED, delta(2, "Hello"), delta(3, " you")]

    found = reconcile(log, [ASSISTANT])

    assert (found.standing, found.void, found.missing) == (log, [], [])


def test_a_stored_message_that_the_log_lacks_is_missing() -> None:
    found = reconcile([STARTED, delta(2, "Hello"), delta(3, " you")], [ASSISTANT, TOOL])

    assert found.missing == [TOOL]


def test_a_message_told_in_part_is_void_and_missing() -> None:
    found = reconcile([STARTED, delta(2, "Hello")], [ASSISTANT])

    assert (found.standing, found.void, found.missing) == ([STARTED], [delta(2, "Hello")], [ASSISTANT])


def test_deltas_of_a_message_that_was_never_stored_are_void() -> None:
    found = reconcile([STARTED, delta(2, "x", "message-x")], [])

    assert found.void == [delta(2, "x", "message-x")]


def test_what_was_discarded_is_not_discarded_again() -> None:
    discarded = RunEvent(seq=3, step_discarded=StepDiscarded(message_ids=["message-x"], first_seq=2))
    log = [STARTED, delta(2, "x", "message-x"), discarded]

    found = reconcile(log, [])

    assert (found.standing, found.void) == (log, [])
    assert without_void(log) == [STARTED, discarded]


def test_a_lost_log_is_told_again_under_its_old_numbers() -> None:
    events = replay([], [ASSISTANT, TOOL], RunEnded(steps=1), {"step-1": 9})

    assert [(event.seq, event.WhichOneof("event")) for event in events] == [
        (1, "started"),
        (7, "step_discarded"),
        (8, "message"),
        (9, "message"),
        (10, "ended"),
    ]
