"""JSON bodies: read into the pydantic models that `rest.proto` names."""

import asyncio
import math
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from services.common.errors import Json, Unprocessable
from services.common.validation import list_problems

LARGE_BODY_BYTES = 65_536  # bytes; reading more than this takes over a millisecond and leaves the event loop

MOST_VALUES = 100_000  # of a body: a process that reads more does nothing else for seconds
VALUES_PROBLEM = {"type": "too_many_values", "loc": ["body"], "msg": f"A body has at most {MOST_VALUES} values."}
# A string, which goes to the end where it has none of its own, or a mark that values begin with or stand behind.
STRING_OR_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)

NUL_ESCAPE = b"\\u0000"  # JSON takes the character itself in no other form
NUL_TYPE = "string_nul"
NUL_PROBLEM = "The character NUL cannot be stored."
MAYBE_INFINITE = re.compile(rb"[\[:,\s]-?(?:\d[\d.]*[eE]\+?\d{3}|\d{200})")  # large numbers, and what looks like them
PIECE_BYTES = 1_048_576  # bytes that are looked through at once
LONGEST_NUMBER = 8_192  # bytes; one that a piece ends in is still seen
INFINITE_TYPE = "finite_number"
INFINITE_PROBLEM = "The number is too large."

Place = list[str | int]


def find_model(name: str) -> Any:
    """The class or union that "<file>.<Name>" means below services/contract."""
    module, _, attribute = name.partition(".")
    return getattr(import_module(f"services.contract.{module}"), attribute)


class BodyReader:
    """Reads the JSON bodies of one operation into its model (any class or union of services/contract)."""

    def __init__(self, model: Any, *, optional: bool) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(model)
        self._optional = optional

    async def read(self, data: bytes) -> Any:
        """The model. Raises `Unprocessable`, naming every field that is wrong."""
        if not data.strip():
            if self._optional:
                return self._validate(b"{}")
            raise Unprocessable(
                [
                    {
                        "type": "missing",
                        "loc": ["body"],
                        "msg": "The request needs a JSON body.",
                    }
                ]
            )
        if len(data) > LARGE_BODY_BYTES:
            return await asyncio.to_thread(self._validate, data)
        return self._validate(data)

    def _validate(self, data: bytes) -> Any:
        if _has_too_many_values(data):
            raise Unprocessable([VALUES_PROBLEM])
        try:
            body = self._adapter.validate_json(data)
        except ValidationError as exc:
            raise Unprocessable(list_problems(exc)) from exc
        if NUL_ESCAPE in data or _may_be_infinite(data):
            _check_storable(from_json(data))
        return body


def _has_too_many_values(data: bytes) -> bool:
    """Looks closely only where there may be; texts hold commas, too."""
    if sum(map(data.count, (b"[", b"{", b","))) < MOST_VALUES:
        return False
    marks = (found for found in STRING_OR_MARK.finditer(data) if not data.startswith(b'"', found.start()))
    return next(islice(marks, MOST_VALUES - 1, None), None) is not None


def _may_be_infinite(data: bytes) -> bool:
    """Looks in pieces: within one, the process does nothing else."""
    starts = range(0, len(data), PIECE_BYTES)
    return any(MAYBE_INFINITE.search(data, start, start + PIECE_BYTES + LONGEST_NUMBER) for start in starts)


def find_nul(value: Any) -> Iterator[Place]:
    """Where strings or keys hold the character NUL."""
    return (place for leaf, place in _leaves(value, []) if isinstance(leaf, str) and "\0" in leaf)


def find_infinity(value: Any) -> Iterator[Place]:
    """Where numbers are too large to be numbers."""
    return (place for leaf, place in _leaves(value, []) if isinstance(leaf, float) and math.isinf(leaf))


def _check_storable(value: Any) -> None:
    """Raises `Unprocessable` for what JSON allows and the database does not take."""
    problems: list[Json] = [
        *({"type": NUL_TYPE, "loc": ["body", *place], "msg": NUL_PROBLEM} for place in find_nul(value)),
        *({"type": INFINITE_TYPE, "loc": ["body", *place], "msg": INFINITE_PROBLEM} for place in find_infinity(value)),
    ]
    if problems:
        raise Unprocessable(problems)


def _leaves(value: Any, place: Place) -> Iterator[tuple[Any, Place]]:
    """Each key, and each value that is neither a list nor an object."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, [*place, index])
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key, place
            yield from _leaves(item, [*place, key])
    else:
        yield value, place
