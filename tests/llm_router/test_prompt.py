"""Conversations that providers would refuse are set right before they are sent."""

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    Message,
    Part,
    Reasoning,
    ToolCall,
    ToolReturn,
)
from services.llm_router.prompt import tidy_messages
from tests.llm_router.asking import say


def calling(*ids: str) -> Message:
    return Message(role=ROLE_ASSISTANT, parts=[Part(tool_call=ToolCall(id=one, name="look")) for one in ids])


def returning(*ids: str) -> Message:
    return Message(role=ROLE_TOOL, parts=[Part(tool_return=ToolReturn(call_id=one, value=one)) for one in ids])


def returned_ids(messages: list[Message]) -> list[list[str]]:
    return [[part.tool_return.call_id for part in message.parts] for message in messages if message.role == ROLE_TOOL]


def test_returns_stand_right_after_their_calls() -> None:
    tidied = tidy_messages([say("go"), calling("a", "b"), say("wait"), returning("b"), returning("a")])

    assert [message.role for message in tidied] == [ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL, ROLE_USER]
    assert returned_ids(tidied) == [["a", "b"]]


def test_a_call_without_a_return_gets_one_that_says_so() -> None:
    tidied = tidy_messages([say("go"), calling("a"), say("and?")])

    result = tidied[2].parts[0].tool_return
    assert (result.call_id, result.name, result.status) == ("a", "look", TOOL_STATUS_ERROR)


def test_a_return_without_a_call_is_left_out() -> None:
    assert returned_ids(tidy_messages([say("go"), returning("a")])) == []


def test_answers_to_approval_requests_are_left_out() -> None:
    assert tidy_messages([say("yes", ROLE_APPROVAL)]) == []


def test_thoughts_that_led_to_nothing_are_left_out() -> None:
    thought = Part(reasoning=Reasoning(text="hm"))
    only_thought = Message(role=ROLE_ASSISTANT, parts=[thought])
    thought_last = Message(role=ROLE_ASSISTANT, model="openai/gpt-5", parts=[thought, Part(text="a"), thought])

    tidied = tidy_messages([only_thought, thought_last])

    assert [message.model for message in tidied] == ["openai/gpt-5"]
    assert [part.WhichOneof("kind") for part in tidied[0].parts] == ["reasoning", "text"]


def test_a_message_without_words_says_that_it_has_none() -> None:
    blank = Message(role=ROLE_USER, parts=[Part(text=" \n"), Part(text="")])

    (tidied,) = tidy_messages([blank])

    assert [part.text for part in tidied.parts] == ["(This message is empty.)"]


def test_blank_texts_beside_others_are_left_out() -> None:
    signed, empty = Part(text=" ", provider_data=b"{}"), Part(text="", provider_data=b"{}")
    message = Message(role=ROLE_ASSISTANT, model="openai/gpt-4o", parts=[Part(text=" "), signed, empty, Part(text="a")])

    (tidied,) = tidy_messages([message])

    assert list(tidied.parts) == [signed, Part(text="a")]
    assert tidied.model == "openai/gpt-4o"


def test_a_call_id_that_comes_again_in_a_later_answer_is_told_apart() -> None:
    def step(value: str) -> list[Message]:
        call, returned = ToolCall(id="call_0", name="look"), ToolReturn(call_id="call_0", name="look", value=value)
        return [
            Message(role=ROLE_ASSISTANT, parts=[Part(tool_call=call)]),
            Message(role=ROLE_TOOL, parts=[Part(tool_return=returned)]),
        ]

    tidied = tidy_messages([*step("one"), *step("two")])

    ids = [[part.tool_call.id or part.tool_return.call_id for part in message.parts] for message in tidied]
    values = [part.tool_return.value for message in tidied for part in message.parts if part.HasField("tool_return")]
    assert ids == [["call_0"], ["call_0"], ["call_0_2"], ["call_0_2"]]
    assert values == ["one", "two"]


def test_an_id_that_is_told_apart_is_unlike_those_of_the_other_calls() -> None:
    tidied = tidy_messages([calling("a"), returning("a"), calling("a", "a_2"), returning("a", "a_2")])

    assert returned_ids(tidied) == [["a"], ["a_3", "a_2"]]


def test_calls_of_one_answer_that_share_an_id_are_told_apart() -> None:
    tidied = tidy_messages([calling("a", "b", "a"), returning("a", "b", "a"), calling("a"), returning("a")])

    called = [[part.tool_call.id for part in message.parts] for message in tidied if message.role == ROLE_ASSISTANT]
    assert called == returned_ids(tidied) == [["a", "b", "a_2"], ["a_3"]]


def test_calls_get_ids_and_names_that_every_provider_takes() -> None:
    labels = [("a b", "has space"), ("a_b", ""), ("", "n" * 65), ("chatcmpl-tool-" + "0" * 32, "look")]
    calls = [Part(tool_call=ToolCall(id=call_id, name=name)) for call_id, name in labels]
    returns = [Part(tool_return=ToolReturn(call_id=call_id, value="x")) for call_id, _ in labels]

    called, returned = tidy_messages(
        [Message(role=ROLE_ASSISTANT, parts=calls), Message(role=ROLE_TOOL, parts=returns)]
    )

    ids = ["a_b", "a_b_2", "unknown", "chatcmpl-tool-" + "0" * 26]
    names = ["has_space", "unknown", "n" * 64, "look"]
    assert [(part.tool_call.id, part.tool_call.name) for part in called.parts] == list(zip(ids, names, strict=True))
    assert [part.tool_return.call_id for part in returned.parts] == ids
    assert [part.tool_return.name for part in returned.parts] == names
