"""A circuit breaker: what fails again and again is left alone for a while."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class BreakerLimits:
    """When it opens, and for how long."""

    failures: int = 3  # in a row
    rest_s: float = 30.0  # seconds


class Breaker:
    """Counts failures in a row. Once open, it lets one attempt through per rest until one succeeds."""

    def __init__(self, limits: BreakerLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing went wrong lately."""
        return not self._failures or self._clock() >= self._closed_until

    def wait_s(self) -> float:
        """How long to leave it alone, in seconds. 0 lets the caller, and only this one, try."""
        if self._failures < self._limits.failures:
            return 0.0
        left = self._closed_until - self._clock()
        if left > 0:
            return left
        self._closed_until = self._clock() + self._limits.rest_s
        return 0.0

    def failed(self) -> None:
        """Notes a failure."""
        self._failures += 1
        self._closed_until = self._clock() + self._limits.rest_s

    def succeeded(self) -> None:
        """Notes a success: all is well again."""
        self._failures = 0
