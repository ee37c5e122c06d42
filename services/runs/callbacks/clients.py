"""The HTTP client that sends callbacks."""

import asyncio

import httpx2

from services.common.public_addresses import ForbiddenAddress
from services.common.public_http import PublicTransport
from services.runs.callbacks.callbacks import CallbackResult

TIMEOUT_S = 10.0  # seconds for the whole POST, the look-up of the host included


class CallbackClient:
    """POSTs to the addresses of others. Unless `allow_private`, only to public ones."""

    def __init__(self, *, allow_private: bool) -> None:
        transport = httpx2.AsyncHTTPTransport() if allow_private else PublicTransport()
        self._http = httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=TIMEOUT_S)

    async def __call__(self, url: str, body: bytes) -> CallbackResult:
        """One POST of JSON."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(url, body)
        except TimeoutError:
            return CallbackResult(error=f"There was no answer within {TIMEOUT_S:g} s.")
        except ForbiddenAddress:
            return CallbackResult(error=f"{httpx2.URL(url).host} has no public address.")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
            return CallbackResult(error=f"{type(exc).__name__}: {exc}")

    async def close(self) -> None:
        """Closes the connections that are kept."""
        await self._http.aclose()

    async def _post(self, url: str, body: bytes) -> CallbackResult:
        headers = {"content-type": "application/json"}
        async with self._http.stream("POST", url, content=body, headers=headers) as answer:
            error = None if answer.is_success else f"The answer was {answer.status_code}."
            return CallbackResult(answer.status_code, error)
