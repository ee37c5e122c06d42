"""Trying again what cannot be done just now."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.common.errors import PerdureError

Answer = TypeVar("Answer")


async def keep_trying(
    call: Callable[[], Awaitable[Answer]],
    may_pass: Callable[[PerdureError], bool],
    *,
    patience_s: float,
    pause_s: float,
) -> Answer:
    """The answer of a call that may be repeated: made again as long as what it raises may pass.

    It gives up `patience_s` seconds after the first failure, and raises the last one.
    """
    give_up = math.inf
    while True:
        try:
            return await call()
        except PerdureError as error:
            give_up = min(give_up, time.monotonic() + patience_s)
            if not may_pass(error) or time.monotonic() >= give_up:
                raise
        await asyncio.sleep(pause_s)
