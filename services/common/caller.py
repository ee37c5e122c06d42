"""Who calls, and with which client: read from the metadata of a call."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT_ORGANIZATION_ID = "org-00000000-0000-4000-8000-000000000000"
DEFAULT_USER_ID = "user-00000000-0000-4000-8000-000000000000"
MIN_READ_TIMEOUT_S = 1.0  # seconds; a client that waits less is not kept up with
MAX_DIGITS = 9  # of a number; more may not go into 32 bits
MAX_READ_TIMEOUT_S = 86_400.0  # seconds; a client that waits longer waits for ever


@dataclass(frozen=True)
class Caller:
    """One caller of one operation.

    `retry_count` is how often the SDK has sent this request before; `idempotency_key` the header of that name.
    `request_timeout` is the header x-request-timeout as it was sent, in seconds; `read_timeout_s` after what silence
    the SDK takes an answer for lost, 0 where it does not say.
    """

    organization_id: str = DEFAULT_ORGANIZATION_ID
    user_id: str = DEFAULT_USER_ID
    is_v1_sdk: bool = True
    retry_count: int = 0
    idempotency_key: str = ""
    request_id: str = ""
    request_timeout: str = ""
    read_timeout_s: float = 0


def read_caller(metadata: Iterable[tuple[str, str | bytes]] | None) -> Caller:
    """The caller that the metadata of a call describes."""
    headers = {key: value for key, value in metadata or () if isinstance(value, str)}
    return Caller(
        is_v1_sdk=_is_v1_sdk(headers),
        retry_count=_number(headers.get("x-stainless-retry-count", "")),
        idempotency_key=headers.get("idempotency-key", ""),
        request_id=headers.get("x-request-id", ""),
        request_timeout=headers.get("x-request-timeout", ""),
        read_timeout_s=_seconds(headers.get("x-stainless-read-timeout", "")),
    )


def _is_v1_sdk(headers: dict[str, str]) -> bool:
    """Whether answers take the form that SDKs of the 1.x line expect; older clients get every relation filled in."""
    if "x-stainless-package-version" in headers:
        return True
    user_agent = headers.get("user-agent", "")
    return not user_agent or user_agent.startswith(("letta-client/", "grpc-"))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else 0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0
    return min(max(seconds, MIN_READ_TIMEOUT_S), MAX_READ_TIMEOUT_S) if 0 < seconds < math.inf else 0
