"""What the mcp package and the libraries below it raise, in words that can be shown: without addresses and tokens."""

from http import HTTPStatus

import anyio
import httpx2
from mcp import MCPError
from pydantic import ValidationError

from services.common.errors import PerdureError
from services.common.public_addresses import ForbiddenAddress
from services.tools.mcp.server import AuthorizationRequired, ServerFailed

# What a request over an open connection raises where the server is to blame.
FAILURES = (
    MCPError,
    PerdureError,
    ValidationError,
    httpx2.HTTPError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    RuntimeError,
    OSError,
)


def describe_failure(failure: BaseException) -> str:
    """One line that says what went wrong."""
    failure = _first_cause(failure)
    if isinstance(failure, MCPError | ForbiddenAddress | PerdureError):
        return str(failure).rstrip(".")
    if isinstance(failure, httpx2.HTTPStatusError):
        status = failure.response.status_code
        hint = ": it wants another auth_token" if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else ""
        return f"it answered HTTP {status}{hint}"
    if isinstance(failure, FileNotFoundError | PermissionError):
        return f"its command cannot be run ({failure.strerror})"
    if isinstance(failure, httpx2.ConnectError):
        return "no connection could be made"
    if isinstance(failure, ValidationError):
        return "its answer breaks the protocol"
    return f"the connection broke ({type(failure).__name__})"


def server_failed(what: str, failure: BaseException) -> ServerFailed:
    """The failure as one of ours: `what` happened, and why."""
    is_stranger = isinstance(_first_cause(failure), AuthorizationRequired)
    return (AuthorizationRequired if is_stranger else ServerFailed)(f"{what}: {describe_failure(failure)}.")


def _first_cause(failure: BaseException) -> BaseException:
    """The first leaf of a group, which stands for all."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
