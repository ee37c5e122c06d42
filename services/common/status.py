"""Errors on the wire: to a gRPC status, and back at the other end.

Beside the status travel `google.rpc.ErrorInfo` (for typed callers) and the headers that the gateway turns into the
public answer: x-http-status, x-error-detail, x-should-retry, retry-after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import grpc
import orjson
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata, ServicerContext

from services.common import errors
from services.common.errors import PerdureError

DOMAIN = "perdure"
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
    )
}


async def abort(context: ServicerContext, error: PerdureError) -> NoReturn:  # type: ignore[type-arg]  # any messages
    """Ends the call with the error."""
    await context.abort(error.code, str(error), _metadata(error))


def _metadata(error: PerdureError) -> tuple[tuple[str, str | bytes], ...]:
    pairs: list[tuple[str, str | bytes]] = [
        ("x-http-status", str(error.http_status)),
        ("x-error-detail", _ascii(error.body())),
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
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=error.code.value[0], message=str(error), details=[detail])


@contextmanager
def rpc_errors() -> Iterator[None]:
    """Around a call of another service: its errors come out as ours, with reason, metadata and public body."""
    try:
        yield
    except AioRpcError as exc:
        raise read_error(exc) from exc


def read_error(error: AioRpcError) -> PerdureError:
    """The error that the other end raised.

    A call that we cancelled ourselves reads as an `Unavailable`; a cancelled task raises CancelledError, not this.
    """
    metadata = error.trailing_metadata() or Metadata()
    headers = {key: value for key, value in metadata if isinstance(value, str)}
    body = orjson.loads(headers["x-error-detail"]) if "x-error-detail" in headers else {"detail": error.details() or ""}
    info = _error_info(metadata)
    cls = _BY_CODE.get(
        error.code(),
        errors.Unavailable if error.code() is grpc.StatusCode.CANCELLED else errors.Internal,
    )
    received = cls(
        body.pop("detail", error.details() or ""),
        metadata=dict(info.metadata),
        extra=body,
        should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "")),
        retry_after_s=float(headers["retry-after"]) if "retry-after" in headers else None,
    )
    received.reason = info.reason or cls.reason
    received.http_status = int(headers.get("x-http-status", cls.http_status))
    return received


def _error_info(metadata: Metadata) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    raw = metadata.get(_DETAILS)
    if isinstance(raw, bytes):
        for detail in status_pb2.Status.FromString(raw).details:
            if detail.Unpack(info):
                break
    return info
