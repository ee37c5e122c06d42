"""Callers, as the headers of their requests tell of them."""

import pytest

from services.common.caller import MAX_READ_TIMEOUT_S, MIN_READ_TIMEOUT_S, read_caller


@pytest.mark.parametrize(("sent", "count"), [("2", 2), ("", 0), ("-1", 0), ("²", 0), ("many", 0), ("9" * 5000, 0)])
def test_a_count_of_retries_that_is_none_is_0(sent: str, count: int) -> None:
    assert read_caller([("x-stainless-retry-count", sent)]).retry_count == count


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("60", 60),
        ("0.1", MIN_READ_TIMEOUT_S),
        ("1e300", MAX_READ_TIMEOUT_S),
        ("inf", 0),
        ("nan", 0),
        ("-5", 0),
        ("", 0),
    ],
)
def test_a_read_timeout_is_brought_within_bounds(sent: str, seconds: float) -> None:
    assert read_caller([("x-stainless-read-timeout", sent)]).read_timeout_s == seconds
