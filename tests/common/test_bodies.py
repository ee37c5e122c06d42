"""Bodies that no model can take."""

import json

import pytest

from services.common.bodies import LARGE_BODY_BYTES, MOST_VALUES, PIECE_BYTES, VALUES_PROBLEM, BodyReader
from services.common.errors import Unprocessable
from services.contract.agents import UpdateAgent

READER = BodyReader(UpdateAgent, optional=True)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (rb'{"name": "a\u0000"}', ["body", "name"]),
        (rb'{"metadata": {"a": ["b", {"c": "\u0000"}]}}', ["body", "metadata", "a", 1, "c"]),
        (rb'{"metadata": {"\u0000": 1}}', ["body", "metadata"]),
        (rb'{"nonsense": "\u0000"}', ["body", "nonsense"]),
    ],
)
async def test_a_nul_is_refused_where_it_stands(body: bytes, where: list[str | int]) -> None:
    with pytest.raises(Unprocessable) as raised:
        await READER.read(body)

    assert isinstance(raised.value.detail, list)
    assert [problem["loc"] for problem in raised.value.detail] == [where]


@pytest.mark.parametrize("number", [b"1e400", b"-1E+999", b"12.5e308", b"9" * 400, b"9" * 300 + b"e20"])
async def test_a_number_beyond_all_is_refused_where_it_stands(number: bytes) -> None:
    with pytest.raises(Unprocessable) as raised:
        await READER.read(b'{"metadata": {"a": [' + number + b".0" * (b"e" not in number.lower()) + b"]}}")

    assert isinstance(raised.value.detail, list)
    assert [problem["loc"] for problem in raised.value.detail] == [["body", "metadata", "a", 0]]


async def test_large_numbers_are_taken() -> None:
    body = await READER.read(b'{"metadata": {"a": 1.5e300, "b": "x 1e999", "c": 1e-400, "d": 1%s}}' % (b"0" * 210))

    assert body.metadata == {"a": 1.5e300, "b": "x 1e999", "c": 0.0, "d": 10**210}


async def test_text_that_only_looks_like_a_nul_is_taken() -> None:
    body = await READER.read(rb'{"description": "\\u0000"}')

    assert body.description == r"\u0000"


@pytest.mark.parametrize("value", [b"{}", b"1", b'""', b'",[\\\\"'])
async def test_a_body_of_too_many_values_is_refused(value: bytes) -> None:
    with pytest.raises(Unprocessable) as raised:
        await READER.read(b'{"nonsense": [' + b",".join([value] * (MOST_VALUES + 1)) + b"]}")

    assert raised.value.detail == [VALUES_PROBLEM]


async def test_a_text_may_hold_what_stands_between_values() -> None:
    text = '1, [2], {3}, "4" \\' * MOST_VALUES

    body = await READER.read(json.dumps({"description": text}).encode())

    assert body.description == text


async def test_a_large_number_is_found_wherever_it_stands() -> None:
    text = b"x" * (PIECE_BYTES - 30)

    with pytest.raises(Unprocessable) as raised:
        await READER.read(b'{"description": "%s", "metadata": {"a": 1e400}}' % text)

    assert isinstance(raised.value.detail, list)
    assert [problem["loc"] for problem in raised.value.detail] == [["body", "metadata", "a"]]


async def test_large_bodies_are_read_as_well() -> None:
    text = "x" * LARGE_BODY_BYTES

    body = await READER.read(b'{"description": "%s"}' % text.encode())

    assert body.description == text


@pytest.mark.parametrize("number", [-1, 2**31, 10**40])
async def test_numbers_that_cannot_be_stored_are_refused(number: int) -> None:
    with pytest.raises(Unprocessable) as raised:
        await READER.read(b'{"max_files_open": %d}' % number)

    assert isinstance(raised.value.detail, list)
    assert raised.value.detail[0]["loc"] == ["body", "max_files_open"]
