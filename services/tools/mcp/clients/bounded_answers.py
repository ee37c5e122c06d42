"""HTTP answers that cannot fill the memory: whoever runs a server must not be able to end ours."""

from collections.abc import AsyncIterator

import httpx2

MAX_ANSWER_BYTES = 32 * 1024 * 1024  # of a whole answer; the mcp package bounds the events of a stream
EVENT_STREAM = "text/event-stream"


class BoundedAnswers(httpx2.AsyncBaseTransport):
    """Reads only so much of an answer, and takes none that is packed: nobody knows how large it would become."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request. Raises what httpx2 raises; reading too much raises httpx2.RemoteProtocolError."""
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("The answer is packed, which was not asked for.")
        if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
            response.stream = _Bounded(response)
        return response

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        self._stream = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ANSWER_BYTES
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.RemoteProtocolError(f"The answer is longer than {MAX_ANSWER_BYTES} bytes.")
            yield chunk

    async def aclose(self) -> None:
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        await self._stream.aclose()
