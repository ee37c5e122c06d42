"""What the tools service reads from its environment."""

from pathlib import Path

import pytest

from services.common.config import BadConfiguration, Environment
from services.tools.builtin.code import Allowance
from services.tools.config import Config
from services.tools.mcp.clients.allowed import Allowed

NEEDED = {"PERDURE_LISTEN": "unix:/tmp/tools.sock", "DATABASE_URL": "postgresql://localhost/perdure"}


def test_nothing_is_open_by_default() -> None:
    config = Config.read(Environment(NEEDED))

    assert config.programs == Allowance()
    assert config.mcp_allowed == Allowed()
    assert not config.allow_private_fetch
    assert not config.sandbox.allows_too_few_layers
    assert not config.sandbox.reachable.private
    assert config.sandbox.packages is None


def test_limits_and_packages_are_settings() -> None:
    given = {
        "PERDURE_TOOL_TIMEOUT_S": "2.5",
        "PERDURE_TOOL_MEMORY_MB": "256",
        "PERDURE_TOOL_OUTPUT_CHARS": "5000",
        "PERDURE_TOOL_CONCURRENCY": "3",
        "PERDURE_TOOL_PACKAGES_DIR": "/var/packages",
        "PERDURE_TOOL_PACKAGES_MB": "10",
        "PERDURE_RUN_CODE_PACKAGES": "six>=1.16 numpy",
        "PERDURE_RUN_CODE_NETWORK": "1",
    }

    config = Config.read(Environment(NEEDED | given))

    assert (config.limits.timeout_s, config.limits.memory_bytes) == (2.5, 256 * 2**20)
    assert config.limits.output_chars == 5000
    assert (config.sandbox.concurrency, config.sandbox.packages) == (3, Path("/var/packages"))
    assert config.sandbox.max_package_bytes == 10 * 2**20
    assert config.programs == Allowance(("numpy", "six>=1.16"), network=True)


def test_search_accounts_have_keys_and_addresses() -> None:
    given = {"TAVILY_API_KEY": "key", "EXA_BASE_URL": "http://localhost:1/"}

    accounts = {one.provider: one for one in Config.read(Environment(NEEDED | given)).search_accounts}

    assert list(accounts) == ["exa", "tavily", "brave"]
    assert (accounts["tavily"].key, accounts["exa"].key) == ("key", "")
    assert accounts["exa"].base_url == "http://localhost:1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PERDURE_TOOL_MEMORY_MB", "1"),
        ("PERDURE_TOOL_CONCURRENCY", "0"),
        ("PERDURE_ALLOW_STDIO_MCP", "perhaps"),
        ("PERDURE_RUN_CODE_PACKAGES", "https://example.com/x.whl"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(BadConfiguration, match=name):
        Config.read(Environment(NEEDED | {name: value}))
