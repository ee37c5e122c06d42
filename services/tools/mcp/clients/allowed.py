"""Which servers the settings allow."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from services.common.errors import InvalidArgument, Unprocessable
from services.common.public_addresses import ForbiddenAddress, public_addresses
from services.contract.mcp import McpConfig, StdioConfig
from services.tools.mcp.templates import has_places


class ServerNotAllowed(InvalidArgument):
    """The settings forbid such a server."""

    reason = "MCP_SERVER_NOT_ALLOWED"


class AddressNotAllowed(Unprocessable):
    """The server's address cannot be used."""

    reason = "MCP_ADDRESS_NOT_ALLOWED"

    def __init__(self, problem: str) -> None:
        super().__init__([{"type": "server_url", "loc": ["body", "config", "server_url"], "msg": problem}])
        self._problem = problem

    def __str__(self) -> str:
        return self._problem


@dataclass(frozen=True)
class Allowed:
    """What servers may be: programs on this machine; at addresses that are not public."""

    stdio: bool = False
    private_addresses: bool = False

    async def check(self, config: McpConfig) -> None:
        """Raises `ServerNotAllowed`, `AddressNotAllowed`.

        What cannot be resolved or filled in now is checked when it is connected to.
        """
        if isinstance(config, StdioConfig):
            if not self.stdio:
                raise ServerNotAllowed(
                    "stdio servers run commands on the host; they are allowed only where PERDURE_ALLOW_STDIO_MCP=1."
                )
        elif not self.private_addresses and not has_places(config.server_url):
            await _check_address(config.server_url)


async def _check_address(url: str) -> None:
    try:
        host = urlsplit(url).hostname or ""
        await public_addresses(host)
    except ForbiddenAddress as exc:
        raise AddressNotAllowed(f"{exc}; PERDURE_ALLOW_PRIVATE_MCP=1 allows it.") from exc
    except ValueError as exc:
        raise AddressNotAllowed(f"The server_url cannot be read: {exc}.") from exc
    except OSError:
        return
