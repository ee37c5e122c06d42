"""Which servers the settings allow."""

import asyncio

import pytest

from services.common.public_addresses import ForbiddenAddress
from services.contract.mcp import McpConfig, SSEConfig, StdioConfig, StreamableHTTPConfig
from services.tools.mcp.clients.allowed import AddressNotAllowed, Allowed, ServerNotAllowed
from services.tools.mcp.clients.transport import open_client
from services.tools.mcp.server import Server
from tests.tools.mcp.probe import serving


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/mcp",
        "http://localhost/mcp",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x7f000001/",
        "http://0/",
    ],
)
async def test_addresses_that_are_not_public_are_refused(url: str) -> None:
    with pytest.raises(AddressNotAllowed, match="Non-public IP not allowed"):
        await Allowed().check(StreamableHTTPConfig(server_url=url))
    await Allowed(private_addresses=True).check(StreamableHTTPConfig(server_url=url))


async def test_a_refused_address_is_named_with_its_field() -> None:
    with pytest.raises(AddressNotAllowed) as caught:
        await Allowed().check(SSEConfig(server_url="http://10.1.2.3/sse"))

    message = "Non-public IP not allowed: 10.1.2.3 is 10.1.2.3; PERDURE_ALLOW_PRIVATE_MCP=1 allows it."
    assert caught.value.http_status == 422
    assert caught.value.detail == [{"type": "server_url", "loc": ["body", "config", "server_url"], "msg": message}]
    assert str(caught.value) == message


async def test_commands_are_refused_unless_allowed() -> None:
    config = StdioConfig(command="true", args=[])

    with pytest.raises(ServerNotAllowed, match="PERDURE_ALLOW_STDIO_MCP"):
        await Allowed(private_addresses=True).check(config)
    await Allowed(stdio=True).check(config)


class NoTokens:
    async def find(self, organization_id: str, server_url: str) -> None:
        return None

    async def renew(self, organization_id: str, server_url: str, stale: str) -> None:
        return None


@pytest.mark.parametrize("kind", ["sse", "streamable_http"])
async def test_the_address_is_checked_when_connecting_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name can lead elsewhere by then."""
    async with serving(kind) as reached:
        config: McpConfig = (SSEConfig if kind == "sse" else StreamableHTTPConfig).model_validate(reached)
        server = Server("org", "mcp_server", "here", 1, config)
        monkeypatch.setattr(Allowed, "check", lambda self, config: asyncio.sleep(0))

        with pytest.raises(BaseException) as caught:  # a group or not, as the package pleases
            async with open_client(server, Allowed(), NoTokens(), lambda: None):
                pass

    failure: BaseException = caught.value
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    assert isinstance(failure, ForbiddenAddress)
