"""Noticing that a stream is silent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import TypeVar

T = TypeVar("T")


async def mark_silence(items: AsyncIterable[T], silence_s: float) -> AsyncGenerator[T | None, None]:
    """The items, and None each time that `silence_s` seconds went by without one. Closes what it reads."""
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
        await asyncio.gather(upcoming, return_exceptions=True)  # nobody is left who wants to hear of a failure
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
