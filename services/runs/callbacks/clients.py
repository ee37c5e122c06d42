"""The HTTP client that sends callbacks."""

import asyncio
import socket

import httpx2

from services.runs.callbacks.callbacks import Delivery
from services.runs.callbacks.urls import is_public

TIMEOUT_S = 10.0  # seconds for the whole POST, the look-up of the host included


class CallbackClient:
    """POSTs to the addresses of others. Unless `allow_private`, only to public ones.

    The address that was checked is the one that is called: a name that is looked up twice could change in between.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._http = httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_S)

    async def __call__(self, url: str, body: bytes) -> Delivery:
        """One POST of JSON."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(httpx2.URL(url), body)
        except TimeoutError:
            return Delivery(error=f"There was no answer within {TIMEOUT_S:g} s.")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
            return Delivery(error=f"{type(exc).__name__}: {exc}")

    async def close(self) -> None:
        """Closes the connections that are kept."""
        await self._http.aclose()

    async def _post(self, url: httpx2.URL, body: bytes) -> Delivery:
        address = await self._look_up(url)
        if address is None:
            return Delivery(error=f"{url.host} has no public address.")
        headers = {"content-type": "application/json", "host": url.netloc.decode("ascii")}
        request = self._http.build_request("POST", url.copy_with(host=address), content=body, headers=headers)
        request.extensions["sni_hostname"] = url.host
        answer = await self._http.send(request, stream=True)
        await answer.aclose()
        return Delivery(answer.status_code, None if answer.is_success else f"The answer was {answer.status_code}.")

    async def _look_up(self, url: httpx2.URL) -> str | None:
        """The first address of a host that may be called."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, url.port or url.scheme, type=socket.SOCK_STREAM)
        addresses = [str(place[0]) for *_, place in found]
        return next((address for address in addresses if self._allow_private or is_public(address)), None)
