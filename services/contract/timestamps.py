"""The two ways in which the API prints a time. Both are UTC; a time without a zone is taken as UTC."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer
from pydantic_core import PydanticCustomError


def _in_utc(time: datetime) -> datetime:
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as exc:
        raise PydanticCustomError("datetime_range", "Input should be of the years 1 to 9999 in UTC") from exc


def _print_seconds(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _print_microseconds(time: datetime) -> str:
    return f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


# "2026-11-20T10:03:31+00:00"
MessageDate = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(_print_seconds, return_type=str, when_used="json"),
]

# "2026-11-20T10:03:17.617796Z"
Timestamp = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(_print_microseconds, return_type=str, when_used="json"),
]
