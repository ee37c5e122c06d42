"""HTTP to public addresses only, so that the server cannot be made to reach into the network it stands in."""

import asyncio
import ipaddress
import socket

import httpx2


class ForbiddenAddress(Exception):
    """The name leads to an address that is not public; the message names both."""


class PublicTransport(httpx2.AsyncBaseTransport):
    """Resolves the name, checks every address it has, and connects to the one that was checked."""

    def __init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request. Raises `ForbiddenAddress`, and what httpx2 raises."""
        host = request.url.host
        address = (await public_addresses(host))[0]
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._inner.aclose()


async def public_addresses(host: str) -> list[str]:
    """All addresses of a host. Raises `ForbiddenAddress` if one is not public, httpx2.ConnectError if there is none.

    Not public are private, loopback, link-local (cloud metadata), carrier-grade, multicast and reserved ones.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise httpx2.ConnectError(f"the name {host} cannot be resolved") from exc
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if not is_public(address):
            raise ForbiddenAddress(f"Non-public IP not allowed: {host} is {address}")
    return addresses


def is_public(address: str) -> bool:
    """Whether the address is one of the open internet. An IPv4 address inside an IPv6 one counts as itself."""
    parsed = ipaddress.ip_address(address.split("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed.sixtofour or parsed
    return parsed.is_global and not parsed.is_multicast
