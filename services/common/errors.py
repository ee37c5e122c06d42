"""The errors of Perdure: one class per gRPC code in use. Domain errors subclass these.

An error says on its own what every face of a service shows: the gRPC status, the HTTP status and the JSON body.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import grpc

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


class PerdureError(Exception):
    """Anything that a caller can meet.

    `detail` is what the public API shows under "detail": a sentence, or for validation a list of
    `{type, loc, msg}`. `extra` are further keys of the public body. `metadata` goes into `google.rpc.ErrorInfo`.
    """

    code: grpc.StatusCode = grpc.StatusCode.INTERNAL
    http_status: int = 500
    reason: str = "INTERNAL"

    def __init__(
        self,
        detail: Json,
        *,
        metadata: Mapping[str, str] | None = None,
        extra: Mapping[str, Json] | None = None,
        should_retry: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail if isinstance(detail, str) else f"{self.reason}: {detail}")
        self.detail = detail
        self.metadata = dict(metadata or {})
        self.extra = dict(extra or {})
        self.should_retry = should_retry
        self.retry_after_s = retry_after_s

    def body(self) -> "dict[str, Json]":
        """The public JSON body."""
        return {"detail": self.detail, **self.extra}


class InvalidArgument(PerdureError):
    """Well-formed but impossible."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 400
    reason = "INVALID_ARGUMENT"


class Unprocessable(InvalidArgument):
    """Malformed: a body, query or path that breaks its rules. `detail` is a list of `{type, loc, msg}`."""

    http_status = 422
    reason = "MALFORMED"


class NotFound(PerdureError):
    """What was named does not exist."""

    code = grpc.StatusCode.NOT_FOUND
    http_status = 404
    reason = "NOT_FOUND"


class AlreadyExists(PerdureError):
    """What should be made exists."""

    code = grpc.StatusCode.ALREADY_EXISTS
    http_status = 409
    reason = "ALREADY_EXISTS"


class Conflict(PerdureError):
    """The state of things forbids it just now."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    http_status = 409
    reason = "CONFLICT"


class Superseded(PerdureError):
    """A newer owner has it: the fence."""

    code = grpc.StatusCode.ABORTED
    http_status = 409
    reason = "SUPERSEDED"


class OutOfRange(PerdureError):
    """More than fits."""

    code = grpc.StatusCode.OUT_OF_RANGE
    http_status = 400
    reason = "OUT_OF_RANGE"


class PermissionDenied(PerdureError):
    """The caller may not."""

    code = grpc.StatusCode.PERMISSION_DENIED
    http_status = 403
    reason = "PERMISSION_DENIED"


class Unauthenticated(PerdureError):
    """The caller is unknown."""

    code = grpc.StatusCode.UNAUTHENTICATED
    http_status = 401
    reason = "UNAUTHENTICATED"


class ResourceExhausted(PerdureError):
    """Too much at once."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    http_status = 429
    reason = "RESOURCE_EXHAUSTED"


class Unavailable(PerdureError):
    """Not now; the same request may go through later."""

    code = grpc.StatusCode.UNAVAILABLE
    http_status = 503
    reason = "UNAVAILABLE"


class DeadlineExceeded(PerdureError):
    """It took too long."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    http_status = 504
    reason = "DEADLINE_EXCEEDED"


class Unimplemented(PerdureError):
    """Something that this server does not do."""

    code = grpc.StatusCode.UNIMPLEMENTED
    http_status = 501
    reason = "UNIMPLEMENTED"


class Internal(PerdureError):
    """Our fault."""
