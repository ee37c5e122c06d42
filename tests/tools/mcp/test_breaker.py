"""The circuit breaker, with a clock of its own."""

from services.tools.mcp.breaker import Breaker, BreakerLimits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def open_breaker(clock: Clock) -> Breaker:
    breaker = Breaker(BreakerLimits(failures=2, rest_s=10), clock)
    breaker.failed()
    breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(BreakerLimits(failures=2, rest_s=10), Clock())

    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    before = breaker.wait_s()
    breaker.failed()

    assert (before, breaker.wait_s()) == (0, 10)


def test_it_lets_one_through_after_its_rest() -> None:
    clock = Clock()
    breaker = open_breaker(clock)

    clock.now = 10

    assert [breaker.wait_s(), breaker.wait_s()] == [0, 10]


def test_a_success_closes_it() -> None:
    clock = Clock()
    breaker = open_breaker(clock)

    clock.now = 10
    breaker.wait_s()
    breaker.succeeded()

    assert [breaker.wait_s(), breaker.wait_s()] == [0, 0]


def test_it_is_at_rest_when_nothing_went_wrong_lately() -> None:
    clock = Clock()
    breaker = open_breaker(clock)

    before = breaker.is_at_rest
    clock.now = 10

    assert [before, breaker.is_at_rest] == [False, True]
