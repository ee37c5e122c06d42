"""Repeating calls that failed for a reason that passes."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from services.llm_router.completion import Completion, Event
from services.llm_router.errors import ModelFailure

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after how many seconds a call is repeated.

    The wait doubles each time, with jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    A provider that asks for a longer one than `longest_wait_s` is not asked again: whoever waits should hear of it.
    """

    attempts: int = 3
    first_wait_s: float = 0.25
    longest_wait_s: float = 2.0

    def wait_s(self, attempt: int, failure: ModelFailure) -> float | None:
        """Seconds until the next attempt after this one, counted from 1; None when there is to be none."""
        if not failure.is_transient or attempt >= self.attempts:
            return None
        if failure.retry_after_s is not None:
            return failure.retry_after_s if failure.retry_after_s <= self.longest_wait_s else None
        longest = min(self.first_wait_s * 2**attempt, self.longest_wait_s)
        return random.uniform(longest / 2, longest)  # noqa: S311  # jitter is no secret


async def retry(
    call: Callable[[], AsyncGenerator[Sequence[Event], None]], policy: RetryPolicy
) -> AsyncGenerator[Sequence[Event], None]:
    """The events of the first call that says something; once it has, its failure is final.

    The completion, or the metadata of the failure, say how often the call was repeated.
    """
    attempt = 0
    while True:
        attempt += 1
        spoke = False
        try:
            async with aclosing(call()) as source:
                async for events in source:
                    spoke = spoke or bool(events)
                    yield events if attempt == 1 else _with_retries(events, attempt - 1)
                return
        except ModelFailure as failure:
            wait_s = None if spoke else policy.wait_s(attempt, failure)
            if wait_s is None:
                failure.metadata["retries"] = str(attempt - 1)
                raise
            log.info("attempt %d failed (%s), next in %.2f s", attempt, failure.reason, wait_s)
        await asyncio.sleep(wait_s)


def _with_retries(events: Sequence[Event], retries: int) -> Sequence[Event]:
    return [replace(event, retries=retries) if isinstance(event, Completion) else event for event in events]


async def retry_call(call: Callable[[], Awaitable[T]], policy: RetryPolicy) -> T:
    """What the first call that succeeds answers."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return await call()
        except ModelFailure as failure:
            wait_s = policy.wait_s(attempt, failure)
            if wait_s is None:
                raise
        await asyncio.sleep(wait_s)
