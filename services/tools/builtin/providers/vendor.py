"""A vendor of web search: how its requests and answers look."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from services.tools.builtin.search import Account, Found, Search

Answer = Any  # JSON, as the vendor documents it


@dataclass(frozen=True)
class Vendor:
    """One vendor. `read` raises KeyError, TypeError or ValueError for an answer that is not as documented."""

    account: Account
    request: Callable[[Account, Search], httpx2.Request]
    read: Callable[[Answer], list[Found]]


def without_none(body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """The keys that have a value."""
    return {key: value for key, value in body.items() if value is not None}
