"""Writing an answer at the pace and with the faults that a directive asks for."""

import asyncio
from collections.abc import Iterable

import orjson
from aiohttp import web

from tests.fakes.provider.directive import Directive
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.traffic import Received
from tests.fakes.provider.vendor import Frame, Vendor

_GARBAGE = b"<html><body>It works!</body></html>"
_GARBAGE_FRAME = b'event: message_start\ndata: {"choices": [{"delta": \n\n'


class Pace:
    """Waits between tokens, measured from the start so that delays do not add up, and at the gate after the first."""

    def __init__(self, directive: Directive, gate: asyncio.Event | None = None) -> None:
        self._gate = gate
        self._ttft_s = (directive.ttft_ms or 0.0) / 1000
        self._interval_s = (directive.inter_token_ms or 0.0) / 1000
        self._next = asyncio.get_running_loop().time()

    async def wait_first(self) -> None:
        """Waits until the first token is due."""
        await self._wait(self._ttft_s)

    async def wait_next(self, tokens: int = 1) -> None:
        """Waits until so many more tokens are due."""
        await self._wait(self._interval_s * tokens)

    async def wait_released(self) -> None:
        """Waits until the gate is open."""
        if self._gate is not None:
            await self._gate.wait()

    async def _wait(self, seconds: float) -> None:
        self._next += seconds
        remaining = self._next - asyncio.get_running_loop().time()
        if remaining > 0:
            await asyncio.sleep(remaining)


async def send_whole(request: web.Request, body: Body, directive: Directive) -> web.StreamResponse:
    """Sends an answer in one piece."""
    if directive.drop == "mid_stream":
        data = orjson.dumps(body)
        response = await _open(request, "application/json", length=len(data))
        await response.write(data[: len(data) // 2])
        return _hang_up(request, response)
    if directive.garbage:
        return web.Response(body=_GARBAGE, content_type="text/html")
    return web.Response(body=orjson.dumps(body), content_type="application/json")


async def send_stream(
    request: web.Request, frames: Iterable[Frame], pace: Pace, directive: Directive, *, received: Received, error: Frame
) -> web.StreamResponse:
    """Sends an answer as server-sent events; `error` is what a `stream_error` ends with."""
    response = await _open(request, "text/event-stream")
    if directive.garbage:
        await response.write(_GARBAGE_FRAME)
        return response
    pieces = list(frames)
    breaks_off = directive.drop == "mid_stream" or directive.stream_error is not None
    last = max(1, sum(frame.is_token for frame in pieces) // 2) if breaks_off else None
    await _write_paced(response, pieces, pace, received=received, last=last)
    if directive.drop == "mid_stream":
        return _hang_up(request, response)
    if directive.stream_error:
        await response.write(error.data)
    return response


def fail(request: web.Request, directive: Directive, vendor: Vendor) -> web.StreamResponse | None:
    """Does what a directive asks for in place of an answer: an error (raised as Refusal) or a closed connection."""
    if directive.status is not None:
        refusal = vendor.ordinary_refusal(directive.status)
        if directive.retry_after is not None:
            refusal.headers["retry-after"] = f"{directive.retry_after:g}"
        raise refusal
    if directive.drop is not None and directive.drop != "mid_stream":
        return _hang_up(request)
    return None


def _hang_up(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Closes the connection without finishing the answer."""
    if request.transport is not None:
        request.transport.close()
    return response or web.Response()


async def _write_paced(
    response: web.StreamResponse, frames: list[Frame], pace: Pace, *, received: Received, last: int | None
) -> None:
    for frame in frames:
        if frame.is_token:
            if received.tokens_sent == last:
                return
            if received.tokens_sent:
                await pace.wait_next()
            received.tokens_sent += 1
        await response.write(frame.data)
        if received.tokens_sent:
            await pace.wait_released()


async def _open(request: web.Request, content_type: str, length: int | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache"})
    response.content_length = length
    await response.prepare(request)
    return response
