"""Noticing that a stream is silent."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def mark_silence(items: AsyncIterable[T], silence_s: float) -> AsyncIterator[T | None]:
    """The items, and None each time that `silence_s` seconds went by without one."""
    iterator = aiter(items)
    upcoming = asyncio.ensure_future(anext(iterator))
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=silence_s)
            if not upcoming.done():
                yield None
                continue
            try:
                item = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = asyncio.ensure_future(anext(iterator))
            yield item
    finally:
        upcoming.cancel()
