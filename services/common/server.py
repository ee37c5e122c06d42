"""A gRPC server with what every service has: errors mapped, health, reflection, a graceful end."""

from __future__ import annotations  # grpc's handlers are generic for type checkers only

import asyncio
import faulthandler
import inspect
import logging
import signal
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from typing import Any

import grpc
import uvloop
from grpc.aio import ServicerContext
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common import ids, telemetry
from services.common.config import Environment
from services.common.errors import Internal, PerdureError
from services.common.status import abort

log = logging.getLogger(__name__)

# Bytes. A window may hold the longest body twice, once from a turn that failed over it, before compaction takes the
# first, and a snapshot has the input once more.
MAX_MESSAGE_BYTES = 256 * 1024 * 1024
MAX_HEADERS_BYTES = 61_440  # bytes; what the gateway takes from a service: an error travels in them
MAX_CALL_HEADERS_BYTES = 81_920  # bytes; what the gateway lets in, 32 for each of its lines, and what it adds
EXIT_S = 5.0  # seconds after the last call within which a process that stops is gone
KEEPALIVE_MS = 10_000  # milliseconds between the pings of a client whose call is silent
OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_CALL_HEADERS_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_CALL_HEADERS_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),  # gRPC's own bound is five minutes
    ("grpc.max_connection_age_ms", 300_000),  # clients meet new replicas within five minutes
    ("grpc.max_connection_age_grace_ms", 3_600_000),  # streams under way may last an hour longer
    ("grpc.so_reuseport", 0),
)

Handler = Callable[[Any, Any], Any]  # request, context and response of any method


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs a service's main to its end."""
    telemetry.configure_logging()
    uvloop.run(main)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns what handlers raise into statuses: the only place that aborts."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler with its errors mapped."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = handler_call_details.method or ""
        if inspect.isasyncgenfunction(handler.unary_stream):
            make, inner = (
                grpc.unary_stream_rpc_method_handler,
                _stream(handler.unary_stream, method),
            )
        elif handler.unary_unary:
            make, inner = (
                grpc.unary_unary_rpc_method_handler,
                _unary(handler.unary_unary, method),
            )
        else:
            return handler  # client streams, and what writes by itself: only reflection's and health's
        return make(inner, handler.request_deserializer, handler.response_serializer)


def _unary(handler: Handler, method: str) -> Handler:
    async def call(request: Any, context: ServicerContext[Any, Any]) -> Any:
        request_id = _enter(context)
        try:
            return await handler(request, context)
        except Exception as exc:
            await abort(context, _ours(exc, method, request_id))

    return call


def _stream(handler: Handler, method: str) -> Handler:
    async def call(request: Any, context: ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        request_id = _enter(context)
        try:
            async with aclosing(handler(request, context)) as responses:
                async for response in responses:
                    yield response
        except Exception as exc:
            await abort(context, _ours(exc, method, request_id))

    return call


def _enter(context: ServicerContext[Any, Any]) -> str:
    metadata = context.invocation_metadata() or ()
    telemetry.receive_ids({name: value for name, value in metadata if isinstance(value, str)})
    request_id = telemetry.request_id.get() or ids.new_id("req")
    telemetry.request_id.set(request_id)
    return request_id


def _ours(exc: Exception, method: str, request_id: str) -> PerdureError:
    if isinstance(exc, PerdureError):
        return exc
    log.exception("%s failed", method)
    return Internal(f"Something went wrong in the server. Its log has the details under {request_id}.")


async def serve(
    listen: str,
    add_services: Callable[[grpc.aio.Server], Iterable[str]],
    *,
    drain: Callable[[], Awaitable[None]] | None = None,
    drain_s: float = 0,
    broken: asyncio.Event | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, or `broken`, then drains: calls under way get PERDURE_STOP_GRACE_S (10) seconds.

    `add_services` registers servicers and answers their full names; `drain` runs after the signal and before the stop,
    for at most `drain_s` seconds. What the last calls need must be there until this returns. A process that is not gone
    `EXIT_S` later, whatever holds it up, is ended; its log then tells where it was.
    """
    grace_s = Environment.current().number("PERDURE_STOP_GRACE_S", 10)
    told = _stop_signal()  # before anybody sees that it listens
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=OPTIONS)
    names = list(add_services(server))
    status = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    server.add_insecure_port(listen)
    await server.start()
    for name in ("", *names):
        await status.set(name, health_pb2.HealthCheckResponse.SERVING)
    log.info("listening on %s", listen)
    await _first_of(told, broken or asyncio.Event())
    log.info("stopping")
    _be_gone_within(drain_s + grace_s + EXIT_S)
    await status.enter_graceful_shutdown()
    if drain is not None:
        await drain()
        _be_gone_within(grace_s + EXIT_S)
    await server.stop(grace_s)
    log.info("stopped listening on %s", listen)


def _be_gone_within(timeout_s: float) -> None:
    """Ends the process then, whatever it does: by a thread of its own, outside of Python. The last call counts."""
    faulthandler.dump_traceback_later(timeout_s, exit=True)


def _stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT from now on."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


async def _first_of(*events: asyncio.Event) -> None:
    """Returns when one of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
