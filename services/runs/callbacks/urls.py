"""Where callbacks may go: the server must not be made to call what only it can reach."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from services.common.errors import Unprocessable
from services.common.public_addresses import is_public


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


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
