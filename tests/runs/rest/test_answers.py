import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
import pytest

from perdure.conversation.v1 import message_pb2 as m
from perdure.runs.v1 import run_pb2 as r
from services.common.pieces import EVERYTHING, Shown
from services.runs.rest.answers import EVENTS_AT_ONCE, TurnFailed, answer_at_end, stream_events
from services.runs.rest.events import EventRenderer
from services.runs.silence import mark_silence

RUN_ID = "run-00000000-0000-4000-8000-000000000001"
MESSAGE_ID = "message-00000000-0000-4000-8000-000000000080"
USAGE = m.Usage(prompt_tokens=10, completion_tokens=2, total_tokens=12, cached_input_tokens=0)


def ended(reason: m.StopReason.ValueType = m.STOP_REASON_END_TURN, **fields: Any) -> r.RunEvent:
    end = r.RunEnded(stop_reason=reason, usage=USAGE, steps=1, context_tokens=12, **fields)
    return r.RunEvent(seq=9, ended=end)


def said(text: str = "Hi") -> r.RunEvent:
    parts = [m.Part(reasoning=m.Reasoning(text="Hm")), m.Part(text=text)]
    return r.RunEvent(seq=2, message=m.Message(id=MESSAGE_ID, role=m.ROLE_ASSISTANT, parts=parts))


def delta(seq: int, **fields: Any) -> r.RunEvent:
    return r.RunEvent(seq=seq, step_id="step-1", delta=r.MessageDelta(message_id=MESSAGE_ID, **fields))


async def batches(*events: r.RunEvent) -> AsyncIterator[Sequence[r.RunEvent]]:
    for event in events:
        yield [event]


async def streamed(*events: r.RunEvent, shown: Shown = EVERYTHING, pings: bool = True, after: int = 0) -> list[bytes]:
    renderer = EventRenderer(RUN_ID, shown, pings=pings)
    chunks = [chunk async for chunk in stream_events(batches(*events), renderer, after_seq=after)]
    return b"".join(chunks).strip().split(b"\n\n")


async def test_a_stream_begins_with_a_ping_and_ends_with_done() -> None:
    lines = await streamed(r.RunEvent(seq=1, started=r.RunStarted()), delta(2, text="Hi"), ended())

    kinds = [orjson.loads(line[6:])["message_type"] for line in lines[:-1]]
    assert kinds == ["ping", "assistant_message", "stop_reason", "usage_statistics"]
    assert lines[-1] == b"data: [DONE]"


async def test_many_events_at_once_are_sent_in_pieces() -> None:
    async def all_at_once() -> AsyncIterator[Sequence[r.RunEvent]]:
        yield [delta(number, text="Hi") for number in range(1, 2 * EVENTS_AT_ONCE + 1)] + [ended()]

    renderer = EventRenderer(RUN_ID, EVERYTHING, pings=True)
    chunks = [chunk async for chunk in stream_events(all_at_once(), renderer)]

    assert [chunk.count(b'"assistant_message"') for chunk in chunks] == [EVENTS_AT_ONCE, EVENTS_AT_ONCE, 0]
    assert chunks[-1].endswith(b"data: [DONE]\n\n")


async def test_pings_can_be_left_out() -> None:
    lines = await streamed(r.RunEvent(seq=1, started=r.RunStarted()), ended(), pings=False)

    assert b"ping" not in lines[0]


async def test_the_pieces_of_a_message_are_numbered_one_by_one() -> None:
    lines = await streamed(said(), ended())

    assert [orjson.loads(line[6:]).get("seq_id") for line in lines[:2]] == [2, 3]


async def test_a_replay_can_begin_between_the_pieces_of_a_message() -> None:
    lines = await streamed(said(), ended(), after=2)

    assert orjson.loads(lines[0][6:])["message_type"] == "assistant_message"


async def test_call_deltas_leave_out_what_they_lack_and_approval_deltas_print_null() -> None:
    call = r.ToolCallDelta(id="call_1", arguments='{"n"')
    asking = r.ToolCallDelta(id="call_1", arguments='{"n"', needs_approval=True)

    plain, approval, *_ = await streamed(delta(2, tool_call=call), delta(3, tool_call=asking), ended())

    assert orjson.loads(plain[6:])["tool_calls"] == {"arguments": '{"n"', "tool_call_id": "call_1"}
    expected = {"name": None, "arguments": '{"n"', "tool_call_id": "call_1"}
    assert orjson.loads(approval[6:])["tool_call"] == expected
    assert orjson.loads(approval[6:])["otid"] == MESSAGE_ID


async def test_a_discarded_step_is_a_named_event() -> None:
    discarded = r.RunEvent(seq=4, step_id="step-1", step_discarded=r.StepDiscarded(message_ids=[MESSAGE_ID]))

    first, *_ = await streamed(discarded, ended())

    name, data = first.split(b"\n")
    assert name == b"event: perdure.step_discarded"
    assert "message_type" not in orjson.loads(data[6:])


async def test_an_error_in_a_stream_ends_it_once() -> None:
    error = r.RunError(type="llm_error", message="It failed.", detail="why")

    lines = await streamed(ended(m.STOP_REASON_LLM_API_ERROR, error=error))

    assert [line.split(b"\n")[0][:12] for line in lines] == [b'data: {"mess', b"event: error", b"data: [DONE]"]


async def test_filters_never_hide_the_end() -> None:
    lines = await streamed(said(), ended(), shown=Shown(types=frozenset(["assistant_message"])))

    kinds = [orjson.loads(line[6:])["message_type"] for line in lines[:-1]]
    assert kinds == ["assistant_message", "stop_reason", "usage_statistics"]


async def test_a_json_answer_has_the_committed_messages() -> None:
    (answer,) = [chunk async for chunk in answer_at_end(batches(said("Hello"), ended()), EVERYTHING)]

    body = orjson.loads(answer)
    assert [piece["message_type"] for piece in body["messages"]] == ["reasoning_message", "assistant_message"]
    assert body["usage"]["prompt_tokens"] == 10
    assert body["stop_reason"]["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("reason", "status", "keys"),
    [
        ("LLM_RATE_LIMIT", 429, {"error"}),
        ("LLM_OVERLOADED", 503, {"detail"}),
        ("CONTEXT_WINDOW_EXCEEDED", 400, {"detail"}),
    ],
)
async def test_a_failed_turn_has_its_own_status(reason: str, status: int, keys: set[str]) -> None:
    error = r.RunError(type="llm_error", message="It failed.", reason=reason, http_status=status)
    event = ended(m.STOP_REASON_LLM_API_ERROR, error=error)

    with pytest.raises(TurnFailed) as caught:
        _ = [chunk async for chunk in answer_at_end(batches(event), EVERYTHING)]

    assert caught.value.http_status == status
    assert caught.value.body().keys() == keys
    assert caught.value.should_retry is False


async def test_silence_is_marked_and_nothing_is_lost() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def items() -> AsyncIterator[int]:
        while True:
            yield await queue.get()

    marked = mark_silence(items(), 0.01)

    assert await anext(marked) is None
    queue.put_nowait(1)
    assert await anext(marked) == 1
    await marked.aclose()


@pytest.mark.parametrize("seen", [0, 1])
async def test_what_is_looked_at_for_silence_is_closed_with_the_look(seen: int) -> None:
    events: list[str] = []

    async def items() -> AsyncIterator[int]:
        try:
            for number in range(seen):
                yield number
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    marked = mark_silence(items(), 0.01)
    await anext(marked)
    await marked.aclose()

    assert events == ["closed"]
