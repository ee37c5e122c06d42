"""What the service makes of what a call's process says: its code may say anything."""

import orjson
import pytest

from services.tools.sandbox.answer import read_answer
from services.tools.sandbox.job import Failed, Returned

URL = {"type": "image", "source": {"type": "url", "url": "https://example.com"}}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({}, Returned("None", 4)),
        ({"value": 3, "length": "x"}, Returned("3", 1)),
        ({"value": "abcdef", "length": 2}, Returned("abcde", 6)),
        ({"value": "a\0", "parts": 5, "json": [1], "memory": 7}, Returned("a\ufffd", 2)),
        ({"value": "1", "json": "1"}, Returned("1", 1, json="1")),
        ({"value": "1", "json": "{"}, Returned("1", 1)),
        ({"value": "1", "json": "[1,2,3]"}, Returned("1", 1)),
        ({"value": "a", "memory": {"human": "a\0", "x": 1}}, Returned("a", 1, memory={"human": "a\ufffd", "x": "1"})),
        ({"value": "", "parts": [{**URL, "more": 1}]}, Returned("", 0, parts=(URL,))),
        ({"value": "", "parts": [{"type": "image", "source": "x"}]}, None),
        ({"value": "", "parts": [{"type": "text", "text": 1}]}, None),
        ({"value": "", "parts": ["text"]}, None),
        ({"error": ["long error"], "value": 1}, Failed("['lon")),
        ([], None),
        (None, None),
        ("value", None),
    ],
)
def test_odd_answers_are_read_or_refused(said: object, read: object) -> None:
    frame = orjson.dumps(said)

    if read is None:
        with pytest.raises(ValueError):  # there is one kind, with many texts
            read_answer(frame, 5)
    else:
        assert read_answer(frame, 5) == read
