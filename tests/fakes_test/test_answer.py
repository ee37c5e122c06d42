from typing import Any

import pytest

from tests.fakes.provider.answer import answer_to
from tests.fakes.provider.directive import Directive
from tests.fakes.provider.prompt import Prompt, Tool, ToolCall, ToolChoice, ToolReturn, Turn

SEND = Tool("send_message", {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]})
NOTE = Tool(
    "write_note",
    {
        "type": "object",
        "properties": {"title": {"type": "string"}, "stars": {"type": "INTEGER"}, "day": {"enum": ["today"]}},
        "required": ["title", "stars", "day"],
    },
)


def prompt(*turns: Turn | str, **options: Any) -> Prompt:
    said = tuple(Turn("user", (turn,)) if isinstance(turn, str) else turn for turn in turns)
    return Prompt(model="gpt-4o", turns=said, segments=(), **options)


def said(*turns: Turn | str, **options: Any) -> str:
    return answer_to(prompt(*turns, **options), Directive()).text


def called(*turns: Turn | str, **options: Any) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in answer_to(prompt(*turns, **options), Directive()).calls]


def round_of(name: str, result: str) -> list[Turn]:
    return [Turn("assistant", calls=(ToolCall(name, "1"),)), Turn("user", returns=(ToolReturn("1", result),))]


def test_echoes_what_it_does_not_understand() -> None:
    assert said("Good morning") == "You said: Good morning"


def test_recalls_the_word_from_the_conversation() -> None:
    word = said("Remember the word: APPLE", Turn("assistant", ("Yes",)), "What word did I ask you to remember?")

    assert word == "APPLE"


def test_reads_the_message_in_an_envelope() -> None:
    assert said('{"type": "user_message", "message": "Say \'hi\'."}') == "hi"


def test_calls_exactly_what_is_asked_for_even_if_not_offered() -> None:
    assert called('call tool fly with {"to": "Mars"}') == [("fly", '{"to": "Mars"}')]


def test_calls_joined_by_then_come_one_after_the_other() -> None:
    text = 'call tool a with {"x": 1} then call tool b with {} and call tool c with {}'

    assert called(text) == [("a", '{"x": 1}')]
    assert called(text, *round_of("a", "1")) == [("b", "{}"), ("c", "{}")]
    assert said(text, *round_of("a", "1"), *round_of("b", "2")) == "The outcome: 2"


def test_keeps_calling_when_told_to() -> None:
    text = 'keep calling tool a with {"x": 1}'

    assert called(text, *round_of("a", "1"), *round_of("a", "2")) == [("a", '{"x": 1}')]


def test_fills_arguments_from_the_text_and_the_schema() -> None:
    calls = called("Use the write_note tool with 5 stars and the title 'Well done'", tools=(NOTE,))

    assert calls == [("write_note", '{"title": "Well done", "stars": 5, "day": "today"}')]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ('{"status": "OK", "message": "10"}', "The roll was 10"),
        ('{"content": {"message": 10}}', "The roll was 10"),
        ("10", "The roll was 10"),
    ],
)
def test_takes_the_outcome_out_of_its_envelope(result: str, text: str) -> None:
    assert said("Roll", *round_of("roll_dice", result)) == text


def test_says_it_through_a_tool_when_a_call_is_required() -> None:
    calls = called("Say 'hi'.", tools=(NOTE, SEND), choice=ToolChoice("required"))

    assert calls == [("send_message", '{"message": "hi"}')]


def test_a_transcript_to_summarise_is_not_an_instruction() -> None:
    summary = said("Summarise this conversation.\n" + "x" * 400 + "\nuser: Say 'hi'. Remember the word: PEAR")

    assert summary.startswith("Summary:")
    assert "PEAR" in summary
