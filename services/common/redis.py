"""The connection to Redis."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

TIMEOUT_S = 2.0  # seconds; Redis is a cache of logs and a bell: nobody waits long for it


def connect(url: str) -> "Redis":
    """A client with a pool; connects when first used."""
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


Answer = TypeVar("Answer")


async def undisturbed(call: Awaitable[Answer]) -> Answer:
    """The answer of a call that goes on to its end when the caller is cancelled.

    Cancelled inside the client on Python 3.11, the cancel can be lost: `asyncio.wait_for` forgets one that meets the
    result. https://github.com/python/cpython/issues/86296
    """
    return await asyncio.shield(call)
