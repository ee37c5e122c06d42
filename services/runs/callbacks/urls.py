"""Where callbacks may go: the server must not be made to call what only it can reach."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from services.common.errors import Unprocessable

# IPv6 networks that carry IPv4 addresses of any kind (RFC 4291, RFC 6052, RFC 3056).
_IPV4_CARRIERS = tuple(map(IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16")))


class BadCallbackUrl(Unprocessable):
    """The end of a run cannot be told there."""

    def __init__(self, problem: str) -> None:
        super().__init__([{"type": "callback_url", "loc": ["body", "callback_url"], "msg": problem}])


def check_url(url: str, *, allow_private: bool) -> None:
    """Raises `BadCallbackUrl` unless it is an http(s) URL of a public host, as far as that shows without a look-up."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise BadCallbackUrl(f"{url!r} is not a URL: {exc}.") from exc
    if parts.scheme not in ("http", "https") or not host:
        raise BadCallbackUrl(f"{url!r} is not an http or https URL.")
    if not allow_private and (_is_local_name(host) or (_is_address(host) and not is_public(host))):
        raise BadCallbackUrl(f"{host} is not a public address.")


def is_public(address: str) -> bool:
    """Whether an IP address is reached through the internet: not private, local, of this host, or of a group."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and any(parsed in network for network in _IPV4_CARRIERS):
        return False
    return parsed.is_global and not parsed.is_multicast


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
