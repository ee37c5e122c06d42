"""Tools that are generators: each piece is printed when it comes, so that callers can follow it."""

from collections.abc import AsyncGenerator, Generator
from typing import Any


def collect(pieces: Generator[Any, Any, Any]) -> Any:  # Any, here and below: whatever a tool's code has
    """What the generator returns at its end; if that is nothing, the pieces as lines of text."""
    shown = []
    while True:
        try:
            shown.append(show(next(pieces)))
        except StopIteration as end:
            return "\n".join(shown) if end.value is None else end.value


async def collect_async(pieces: AsyncGenerator[Any, Any]) -> str:
    """The pieces as lines of text."""
    return "\n".join([show(piece) async for piece in pieces])


def show(piece: Any) -> str:
    """Prints a piece, and returns it as text."""
    text = str(piece)
    print(text, flush=True)
    return text
