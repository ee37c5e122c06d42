"""Trying again what cannot be done just now."""

import pytest

from services.common.errors import NotFound, PerdureError, Unavailable
from services.common.patience import keep_trying


class Flaky:
    """Fails with these errors, one after the other, then answers."""

    def __init__(self, *failures: PerdureError) -> None:
        self.failures = list(failures)

    async def call(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def is_away(error: PerdureError) -> bool:
    return isinstance(error, Unavailable)


async def test_a_call_is_made_again_while_its_failure_may_pass() -> None:
    flaky = Flaky(Unavailable("away"), Unavailable("still away"))

    assert await keep_trying(flaky.call, is_away, patience_s=20, pause_s=0) == "answer"


async def test_another_failure_is_raised_at_once() -> None:
    flaky = Flaky(Unavailable("away"), NotFound("gone"), Unavailable("away"))

    with pytest.raises(NotFound):
        await keep_trying(flaky.call, is_away, patience_s=20, pause_s=0)

    assert len(flaky.failures) == 1


async def test_patience_ends() -> None:
    flaky = Flaky(Unavailable("away"))

    with pytest.raises(Unavailable):
        await keep_trying(flaky.call, is_away, patience_s=0, pause_s=0)
