"""Waiting for a state."""

import asyncio
from collections.abc import Awaitable, Callable

_POLL_S = 0.02  # seconds
_TIMEOUT_S = 120.0  # seconds; far more than anything takes that works, on the slowest machine too


async def eventually(claim: Callable[[], Awaitable[bool]], timeout_s: float = _TIMEOUT_S) -> None:
    """Returns as soon as the claim holds.

    Raises:
        TimeoutError: it did not in time.
    """
    async with asyncio.timeout(timeout_s):
        while not await claim():  # noqa: ASYNC110  # the state is in another process
            await asyncio.sleep(_POLL_S)
