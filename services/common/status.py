"""Errors on the wire: to a gRPC status, and back at the other end.

Beside the status travel `google.rpc.ErrorInfo` (for typed callers) and the headers that the gateway turns into the
public answer: x-http-status, x-error-detail, x-should-retry, retry-after.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
import orjson
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata, ServicerContext

from services.common import errors
from services.common.errors import PerdureError

log = logging.getLogger(__name__)

DOMAIN = "perdure"
MAX_ITEMS = 10  # of a list, such as the problems of a request
MAX_TEXT_CHARS = 1000  # with MAX_ITEMS this stays below MAX_HEADERS_BYTES
MAX_ESCAPED_CHARS = 200  # where a character may take twelve bytes
RETRY_AFTER_S = 1.0  # seconds; a service that died is back by then
_DETAILS = "grpc-status-details-bin"
_BY_CODE: dict[grpc.StatusCode, type[PerdureError]] = {
    cls.code: cls
    for cls in (
        errors.Internal,
        errors.InvalidArgument,
        errors.NotFound,
        errors.AlreadyExists,
        errors.Conflict,
        errors.Superseded,
        errors.OutOfRange,
        errors.PermissionDenied,
        errors.Unauthenticated,
        errors.ResourceExhausted,
        errors.Unavailable,
        errors.DeadlineExceeded,
        errors.Unimplemented,
    )
}


async def abort(context: ServicerContext, error: PerdureError) -> NoReturn:  # type: ignore[type-arg]  # any messages
    """Ends the call with the error."""
    await context.abort(error.code, _fit(str(error)), _metadata(error))


def _metadata(error: PerdureError) -> tuple[tuple[str, str | bytes], ...]:
    pairs: list[tuple[str, str | bytes]] = [
        ("x-http-status", str(error.http_status)),
        ("x-error-detail", _ascii({key: _fit(value) for key, value in error.body().items()})),
        (_DETAILS, _status(error).SerializeToString()),
    ]
    if error.should_retry is not None:
        pairs.append(("x-should-retry", "true" if error.should_retry else "false"))
    if error.retry_after_s is not None:
        pairs.append(("retry-after", f"{error.retry_after_s:g}"))
    return tuple(pairs)


def _ascii(body: dict[str, errors.Json]) -> str:
    """JSON in ASCII, as HTTP headers need it: what is not stands inside strings, where escapes are allowed."""
    text = orjson.dumps(body).decode()
    return text if text.isascii() else "".join(c if c.isascii() else _escape(c) for c in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _status(error: PerdureError) -> status_pb2.Status:
    metadata = {key: _fit(value) for key, value in error.metadata.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=error.code.value[0], message=_fit(str(error)), details=[detail])


def _fit(value: Any) -> Any:  # Any: JSON in, JSON of the same type out
    """The value with long texts and lists cut, for it travels in headers."""
    if isinstance(value, str):
        longest = MAX_TEXT_CHARS if value.isascii() else MAX_ESCAPED_CHARS
        return value if len(value) <= longest else f"{value[:longest]}…"
    if isinstance(value, Mapping):
        return {key: _fit(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_fit(item) for item in value[:MAX_ITEMS]]
    return value


@contextmanager
def rpc_errors() -> Iterator[None]:
    """Around a call of another service: its errors come out as ours, with reason, metadata and public body."""
    try:
        yield
    except AioRpcError as exc:
        raise read_error(exc) from exc


def read_error(error: AioRpcError) -> PerdureError:
    """The error that the other end raised, or that gRPC made for want of another end.

    A call that we cancelled ourselves reads as an `Unavailable`; a cancelled task raises CancelledError, not this.
    """
    metadata = error.trailing_metadata() or Metadata()
    headers = {key: value for key, value in metadata if isinstance(value, str)}
    if "x-error-detail" not in headers:
        return _transport_error(error)
    cls = _BY_CODE.get(error.code(), errors.Internal)
    info = _error_info(metadata)
    body = orjson.loads(headers["x-error-detail"])
    received = cls(
        body.pop("detail", ""),
        metadata=dict(info.metadata),
        extra=body,
        should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "")),
        retry_after_s=float(headers["retry-after"]) if "retry-after" in headers else None,
    )
    received.reason = info.reason or cls.reason
    received.http_status = int(headers.get("x-http-status", cls.http_status))
    return received


def _transport_error(error: AioRpcError) -> PerdureError:
    """For a call that came to no answer of ours; gRPC's own words name sockets, so they go to the log alone."""
    log.warning("a call of another service failed: %s: %s", error.code(), error.details())
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return errors.Unavailable("A part of the server cannot be reached. Try again.", retry_after_s=RETRY_AFTER_S)
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded("A part of the server did not answer in time.")
    return errors.Internal("A part of the server failed.")


def _error_info(metadata: Metadata) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    raw = metadata.get(_DETAILS)
    if isinstance(raw, bytes):
        for detail in status_pb2.Status.FromString(raw).details:
            if detail.Unpack(info):
                break
    return info
