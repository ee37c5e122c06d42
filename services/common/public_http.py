"""HTTP to public addresses only."""

from collections.abc import Iterable
from ssl import SSLContext

import httpcore2
import httpx2

from services.common.public_addresses import public_addresses


class PublicTransport(httpx2.AsyncHTTPTransport):
    """Looks up each host itself and connects only to what it checked; redirects come by here, too.

    Requests raise `ForbiddenAddress`, and what httpx2 raises.
    """

    def __init__(self, context: SSLContext | None = None) -> None:
        context = context or httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        # The transport passes no backend on. Checking names further up instead would make it keep connections by
        # address, and give one that was made to a host to another at the same address.
        self._pool = httpcore2.AsyncConnectionPool(ssl_context=context, network_backend=_PublicBackend())


class _PublicBackend(httpcore2.AnyIOBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # seconds
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception = httpcore2.ConnectError(f"The name {host} leads nowhere.")
        for address in await _look_up(host):
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failure = exc
        raise failure


async def _look_up(host: str) -> list[str]:
    try:
        return await public_addresses(host)
    except OSError as exc:
        raise httpcore2.ConnectError(f"The name {host} cannot be resolved.") from exc
