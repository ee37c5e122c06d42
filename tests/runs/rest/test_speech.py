"""Reading what is said out of a call's arguments."""

import orjson
import pytest

from services.runs.rest.speech import Speech

TEXTS = ["Hello", "", 'say "hi" \\ and\nmore', "naïve 😀 \u2028", "a" * 300]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("escape", [True, False])
def test_the_text_comes_whole_whatever_the_fragments(text: str, size: int, *, escape: bool) -> None:
    arguments = orjson.dumps({"thinking": 'no "message": "this"', "message": text, "request_heartbeat": False}).decode()
    if escape:
        arguments = "".join(c if c.isascii() else escaped(c) for c in arguments)
    speech = Speech("message")

    heard = [speech.hear(arguments[start : start + size]) for start in range(0, len(arguments), size)]

    assert "".join(heard) == text


def escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def test_other_arguments_say_nothing() -> None:
    assert Speech("message").hear('{"text": "Hello"}') == ""
