"""What comes from a server, watched for its end: nothing else tells that an idle server went away.

What the mcp package would not read is mended on the way.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import anyio
from mcp.client._transport import ReadStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCResponse
from pydantic import ValidationError

from services.tools.mcp.clients.half_characters import mend
from services.tools.mcp.clients.listing import make_readable

MAX_GARBAGE = 100  # messages in a row that cannot be read; some programs print a little beside the protocol
Incoming = SessionMessage | Exception


class WatchedStream:
    """Passes everything on, unless it is nothing but garbage. `version`: of the protocol, once it is known."""

    def __init__(self, inner: ReadStream[Incoming], on_end: Callable[[], None]) -> None:
        self.version = ""
        self._inner = inner
        self._on_end = on_end
        self._garbage = 0

    async def receive(self) -> Incoming:
        """The next message."""
        try:
            message = await self._inner.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._on_end()
            raise
        if isinstance(message, ValidationError):
            message = mend(message) or message
        self._garbage = self._garbage + 1 if isinstance(message, Exception) else 0
        if self._garbage > MAX_GARBAGE:
            self._on_end()
            raise anyio.EndOfStream
        if self.version and isinstance(message, SessionMessage) and isinstance(message.message, JSONRPCResponse):
            make_readable(message.message.result, self.version)
        return message

    async def aclose(self) -> None:
        """Closes it."""
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Incoming:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, exc, trace)
