"""Answers that clients of this process wait for."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.common.errors import ResourceExhausted

RETRY_AFTER_S = 2.0  # seconds; by then some answers have been sent
LOOK_S = 0.25  # seconds between two looks at what is open


class TooManyStreams(ResourceExhausted):
    """As many answers are open as may."""

    reason = "TOO_MANY_STREAMS"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} clients wait for answers here, as many as may. Try again in a moment.", retry_after_s=RETRY_AFTER_S
        )


class OpenStreams:
    """Counts them. `most` is how many may be open. `must_end`: this process waits for them no longer."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self.must_end = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """One more, as long as the block. Raises `TooManyStreams`."""
        if self._open >= self._most:
            raise TooManyStreams(self._most)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def wait(self, timeout_s: float, goes_on: Callable[[], bool]) -> None:
        """Until none is open, for as long as what they tell goes on; at most `timeout_s` seconds. Then all must end."""
        until = time.monotonic() + timeout_s
        while self._open and time.monotonic() < until:
            if not goes_on():
                break
            await asyncio.sleep(LOOK_S)
        self.must_end = True
