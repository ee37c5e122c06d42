"""The rule that each call has exactly one return right after it, on histories of every kind."""

import random
from collections.abc import Sequence

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    Message,
    Part,
    ToolCall,
    ToolReturn,
)
from services.common.calls import tool_calls, tool_returns
from services.common.pairing import repair

SEEDS = range(300)


def is_valid(window: Sequence[Message], open_id: str | None = None) -> bool:
    """A second, plain reading of the rule."""
    waiting: list[str] = []
    for message in window:
        if message.role == ROLE_APPROVAL:
            continue
        given = [one.call_id for one in tool_returns(message)]
        if given != waiting:
            return False
        waiting = [] if message.id == open_id else [call.id for call in tool_calls(message)]
    return not waiting


def random_step(chance: random.Random, number: int) -> list[Message]:
    """A valid step: calls, perhaps an answer to an approval request, returns."""
    ids = [f"call_{number}_{index}" for index in range(chance.randint(1, 3))]
    calls = Message(id=f"a{number}", role=ROLE_ASSISTANT, parts=[Part(tool_call=ToolCall(id=i, name="t")) for i in ids])
    returns = Message(id=f"t{number}", role=ROLE_TOOL, parts=[Part(tool_return=ToolReturn(call_id=i)) for i in ids])
    answers = [Message(id=f"p{number}", role=ROLE_APPROVAL)] if chance.random() < 0.3 else []
    return [calls, *answers, returns]


def random_history(chance: random.Random) -> list[Message]:
    history: list[Message] = []
    for number in range(chance.randint(0, 8)):
        said = Message(id=f"u{number}", role=chance.choice([ROLE_USER, ROLE_ASSISTANT]), parts=[Part(text="x")])
        history += [said] if chance.random() < 0.5 else random_step(chance, number)
    return history


def damaged(chance: random.Random, history: Sequence[Message]) -> list[Message]:
    """The history with messages and returns lost, doubled and moved."""
    left = [message for message in history if chance.random() < 0.8]
    for message in left:
        if message.role == ROLE_TOOL and message.parts and chance.random() < 0.5:
            del message.parts[chance.randrange(len(message.parts))]
    if left and chance.random() < 0.5:
        left.insert(chance.randrange(len(left)), chance.choice(left))
    if len(left) > 1 and chance.random() < 0.3:
        chance.shuffle(left)
    return left


def test_a_valid_history_stays_as_it_is() -> None:
    for seed in SEEDS:
        history = random_history(random.Random(seed))

        mended = repair(history)

        assert is_valid(history), seed
        assert (mended.window, mended.problems) == (history, []), seed


def test_every_history_becomes_valid_and_keeps_what_was_said() -> None:
    for seed in SEEDS:
        chance = random.Random(seed)
        history = damaged(chance, random_history(chance))

        mended = repair(history)

        assert is_valid(mended.window), seed
        assert bool(mended.problems) == (mended.window != history), seed
        said = [message for message in history if message.role != ROLE_TOOL]
        assert [message for message in mended.window if message.role != ROLE_TOOL] == said, seed
        assert repair(mended.window).problems == [], seed


def test_a_lost_return_reads_as_an_error() -> None:
    [calls, *_] = random_step(random.Random(1), 1)

    closing = repair([calls]).window[-1]

    assert {one.status for one in tool_returns(closing)} == {TOOL_STATUS_ERROR}


def test_the_calls_of_an_open_request_stay_open() -> None:
    [calls, *_] = random_step(random.Random(1), 1)

    assert repair([calls], calls.id).window == [calls]
    assert is_valid(repair([calls], calls.id).window, calls.id)
