from datetime import UTC, datetime

import orjson
import pytest
from pydantic import TypeAdapter

from perdure.conversation.v1 import message_pb2 as m
from services.common.pieces import APPROVALS, CALLS, PieceCounter, Shown, count_pieces, piece_otid, render_pieces
from services.contract.messages import Message as PublicMessage

MESSAGE_ID = "message-9075df08-ae39-4655-9764-d8edbc3fc4ff"


def message(role: m.Role.ValueType, *parts: m.Part, **fields: str) -> m.Message:
    made = m.Message(id=MESSAGE_ID, role=role, parts=parts, **fields)  # type: ignore[arg-type]  # all are strings
    made.created_at.FromDatetime(datetime(2026, 11, 20, 10, 3, 31, 617796, UTC))
    return made


def call(name: str = "roll_dice", *, call_id: str = "call_1", needs_approval: bool = False) -> m.Part:
    return m.Part(tool_call=m.ToolCall(id=call_id, name=name, arguments='{"n":6}', needs_approval=needs_approval))


def returned(*, executed: bool = True, call_id: str = "call_1") -> m.Part:
    status = m.TOOL_STATUS_SUCCESS
    return m.Part(
        tool_return=m.ToolReturn(call_id=call_id, name="roll_dice", status=status, value="6", executed=executed)
    )


EXAMPLES = [
    message(m.ROLE_SYSTEM, m.Part(text="Be brief.")),
    message(m.ROLE_USER, m.Part(text="Hello"), otid="otid-1", name="bob"),
    message(m.ROLE_USER, m.Part(text="See"), m.Part(image=m.Image(url="https://example.org/a.png"))),
    message(m.ROLE_USER, m.Part(image=m.Image(data=b"\x89PNG", media_type="image/png"))),
    message(m.ROLE_ASSISTANT, m.Part(reasoning=m.Reasoning(text="Hm", signature="c2ln")), m.Part(text="Hi"), call()),
    message(m.ROLE_ASSISTANT, m.Part(reasoning=m.Reasoning(redacted=True, signature="hidden")), m.Part(text="Hi")),
    message(m.ROLE_ASSISTANT, call(call_id="a"), call(call_id="b", needs_approval=True)),
    message(m.ROLE_TOOL, returned()),
    message(m.ROLE_TOOL, returned(executed=False)),
    message(m.ROLE_APPROVAL, m.Part(approval_answer=m.ApprovalAnswer(call_id="a", approve=False, reason="no"))),
    message(m.ROLE_APPROVAL, m.Part(approval_answer=m.ApprovalAnswer(call_id="a", result=returned().tool_return))),
    message(m.ROLE_APPROVAL),
    message(m.ROLE_SUMMARY, m.Part(text="They talked.")),
]


@pytest.mark.parametrize("stored", EXAMPLES)
@pytest.mark.parametrize("summaries", [True, False])
def test_pieces_print_as_the_contract_models_do(stored: m.Message, summaries: bool) -> None:
    models: TypeAdapter[object] = TypeAdapter(PublicMessage)

    for piece in render_pieces(stored, Shown(summaries=summaries)):
        assert models.dump_json(models.validate_python(piece)) == orjson.dumps(piece)


def test_calls_that_wait_for_the_client_are_a_piece_of_their_own() -> None:
    stored = message(
        m.ROLE_ASSISTANT,
        m.Part(text="Now"),
        call(call_id="a"),
        call(call_id="b", needs_approval=True),
        call(call_id="c"),
    )

    said, called, asked = render_pieces(stored)

    assert [piece["message_type"] for piece in (said, called, asked)] == [
        "assistant_message",
        "tool_call_message",
        "approval_request_message",
    ]
    assert [one["tool_call_id"] for one in called["tool_calls"]] == ["a", "c"]
    assert asked["otid"] == MESSAGE_ID
    assert count_pieces(stored) == 3


def test_otids_end_in_the_number_of_the_piece() -> None:
    assert piece_otid(MESSAGE_ID, 0) == "9075df08-ae39-4655-9764-d8edbc3fc480"
    assert piece_otid(MESSAGE_ID, 2) == "9075df08-ae39-4655-9764-d8edbc3fc482"


def test_parallel_calls_share_a_number() -> None:
    counter = PieceCounter()

    numbers = [counter.number(0), counter.number(1, CALLS), counter.number(2, APPROVALS), counter.number(3, CALLS)]

    assert numbers == [0, 1, 2, 1]


def test_results_of_the_client_show_no_output() -> None:
    (piece,) = render_pieces(message(m.ROLE_TOOL, returned(executed=False)))

    assert piece["name"] is None
    assert piece["stdout"] is None
    assert piece["tool_returns"][0]["stderr"] is None


def test_only_the_wanted_types_are_shown() -> None:
    stored = message(m.ROLE_ASSISTANT, m.Part(reasoning=m.Reasoning(text="Hm")), m.Part(text="Hi"))

    (piece,) = render_pieces(stored, Shown(types=frozenset(["assistant_message"])))

    assert piece["otid"].endswith("1")


def test_the_speaking_tool_is_shown_as_what_it_says() -> None:
    speaks = m.Part(tool_call=m.ToolCall(id="a", name="send_message", arguments='{"message": "Hi"}'))

    (piece,) = render_pieces(
        message(m.ROLE_ASSISTANT, speaks), Shown(speaking_tool="send_message", speaking_argument="message")
    )

    assert (piece["message_type"], piece["content"]) == ("assistant_message", "Hi")


def test_that_something_was_said_is_not_shown() -> None:
    said = m.Part(tool_return=m.ToolReturn(call_id="a", name="send_message", value="OK", executed=True))

    assert render_pieces(message(m.ROLE_TOOL, said), Shown(speaking_tool="send_message")) == []
    assert len(render_pieces(message(m.ROLE_TOOL, said))) == 1
    assert len(render_pieces(message(m.ROLE_TOOL, said, returned()), Shown(speaking_tool="send_message"))) == 1
