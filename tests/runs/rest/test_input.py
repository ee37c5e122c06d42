from typing import Any

import pytest

from perdure.conversation.v1 import message_pb2 as m
from services.contract.sending import TurnRequest
from services.runs.rest.input import TurnInput, UnusableContent, read_input


def sent(*messages: dict[str, Any]) -> TurnInput:
    return read_input(TurnRequest.model_validate({"messages": messages}).new_messages)


def test_messages_keep_role_otid_and_name() -> None:
    turn = sent(
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "otid": "o", "name": "bob"}
    )

    assert [message.role for message in turn.messages] == [m.ROLE_SYSTEM, m.ROLE_USER]
    assert (turn.messages[1].otid, turn.messages[1].name) == ("o", "bob")


def test_images_are_decoded() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}

    turn = sent({"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image", "source": source}]})

    assert turn.messages[0].parts[1].image.data == b"\x89PNG"


@pytest.mark.parametrize("data", ["*", "é"])
def test_an_image_that_is_not_base64_is_named(data: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": data}

    with pytest.raises(UnusableContent, match=r"messages\[0\].content\[0\].source.data"):
        sent({"role": "user", "content": [{"type": "image", "source": source}]})


def test_answers_may_mix_decisions_and_results() -> None:
    turn = sent(
        {
            "type": "approval",
            "approvals": [
                {"type": "approval", "tool_call_id": "a", "approve": False, "reason": "no"},
                {"type": "tool", "tool_call_id": "b", "tool_return": "17", "status": "error"},
            ],
        }
    )

    denied, result = turn.approvals
    assert (denied.call_id, denied.approve, denied.reason) == ("a", False, "no")
    assert (result.call_id, result.result.value, result.result.status) == ("b", "17", m.TOOL_STATUS_ERROR)


def test_the_old_form_names_the_request() -> None:
    turn = sent({"type": "approval", "approve": True, "approval_request_id": "message-1"})

    assert turn.approval_request_id == "message-1"
    assert turn.approvals[0].approve
    assert not turn.approvals[0].call_id


def test_tool_returns_are_results() -> None:
    turn = sent(
        {"type": "tool_return", "tool_returns": [{"tool_call_id": "a", "tool_return": "x", "status": "success"}]}
    )

    assert turn.approvals[0].result.value == "x"


def test_answers_keep_their_otid() -> None:
    answer = {"tool_call_id": "a", "tool_return": "x", "status": "success"}

    turn = sent({"type": "tool_return", "tool_returns": [answer], "otid": "o"})

    assert turn.answer_otid == "o"
