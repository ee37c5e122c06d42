"""What the mcp package and the libraries below it raise, in words that can be shown: without addresses and tokens."""

from http import HTTPStatus

import anyio
import httpx2
from mcp import MCPError
from pydantic import ValidationError

from services.common.addresses import ForbiddenAddress
from services.tools.mcp.clients.transport import ServerNotAllowed

# What a request over an open connection raises where the server is to blame.
FAILURES = (
    MCPError,
    ValidationError,
    httpx2.HTTPError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    RuntimeError,
    OSError,
)


def describe_failure(failure: BaseException) -> str:
    """One line that says what went wrong; the first leaf of a group stands for all."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, MCPError | ForbiddenAddress | ServerNotAllowed):
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
