"""Asking vendors of web search over HTTP."""

import asyncio

import httpx2

from services.tools.builtin.providers.vendors import VENDORS
from services.tools.builtin.search import Account, Found, Search, SearchFailed

TIMEOUT_S = 30.0  # seconds for the whole call
_REFUSALS = {
    401: "refuses the key",
    402: "has no credit left on this account",
    403: "refuses the key",
    429: "limits the rate of searches; try again later",
}


class HttpSearch:
    """Speaks to whichever vendor the account is of."""

    def __init__(self) -> None:
        self._http = httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_S)

    async def search(self, account: Account, wanted: Search) -> list[Found]:
        """The pages that fit, the best first. Raises `SearchFailed`."""
        vendor = VENDORS[account.provider]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._http.send(vendor.request(account, wanted))
        except TimeoutError as exc:
            raise SearchFailed(f"{account.provider} has not answered within {TIMEOUT_S:g} s.") from exc
        except httpx2.HTTPError as exc:
            raise SearchFailed(f"{account.provider} cannot be reached: {type(exc).__name__}.") from exc
        if not answer.is_success:
            problem = _REFUSALS.get(answer.status_code, f"answered with status {answer.status_code}")
            raise SearchFailed(f"{account.provider} {problem}. It says: {answer.text[:500] or 'nothing'}")
        try:
            return vendor.read(answer.json())
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise SearchFailed(f"{account.provider} gave an answer that cannot be read.") from exc

    async def close(self) -> None:
        """Closes the connections that are kept."""
        await self._http.aclose()
