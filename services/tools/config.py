"""The settings of the tools service."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.common.config import Addresses, BadConfiguration, Environment
from services.common.secrets import SecretBox
from services.tools.builtin.code import Allowance
from services.tools.builtin.providers.vendors import VENDORS
from services.tools.builtin.search import Account
from services.tools.mcp.clients.allowed import Allowed
from services.tools.mcp.clients.connection import ConnectionLimits
from services.tools.sandbox.job import Limits
from services.tools.sandbox.network import Reachable, name_servers
from services.tools.sandbox.package_cache import MAX_BYTES
from services.tools.sandbox.packages import BadRequirement, read_requirements
from services.tools.sandbox.sandbox import SandboxOptions

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Config:
    """Where it listens and stores, and what calls of tools may use."""

    addresses: Addresses
    database_url: str
    secrets: SecretBox
    search_accounts: Sequence[Account]
    allow_private_fetch: bool
    programs: Allowance
    mcp_allowed: Allowed
    mcp_limits: ConnectionLimits
    public_url: str
    limits: Limits
    sandbox: SandboxOptions

    @classmethod
    def read(cls, environment: Environment) -> "Config":
        """From the environment; raises `BadConfiguration`."""
        limits = Limits(
            timeout_s=environment.number("PERDURE_TOOL_TIMEOUT_S", Limits.timeout_s, minimum=0.1),
            memory_bytes=int(environment.number("PERDURE_TOOL_MEMORY_MB", 1024, minimum=64)) * MEBIBYTE,
            output_chars=int(environment.number("PERDURE_TOOL_OUTPUT_CHARS", Limits.output_chars)),
        )
        return cls(
            addresses=Addresses.read(environment),
            database_url=environment.text("DATABASE_URL"),
            secrets=SecretBox.read(environment),
            search_accounts=[_read_account(environment, vendor.account) for vendor in VENDORS.values()],
            allow_private_fetch=environment.flag("PERDURE_ALLOW_PRIVATE_FETCH"),
            programs=_read_allowance(environment),
            mcp_allowed=Allowed(
                stdio=environment.flag("PERDURE_ALLOW_STDIO_MCP"),
                private_addresses=environment.flag("PERDURE_ALLOW_PRIVATE_MCP"),
            ),
            mcp_limits=ConnectionLimits(
                connect_s=environment.number("PERDURE_MCP_CONNECT_TIMEOUT_S", ConnectionLimits.connect_s, minimum=0.1),
                call_s=environment.number("PERDURE_MCP_CALL_TIMEOUT_S", ConnectionLimits.call_s, minimum=0.1),
            ),
            public_url=environment.text("PERDURE_PUBLIC_URL", "http://127.0.0.1:8283"),
            limits=limits,
            sandbox=_read_sandbox(environment),
        )


def _read_sandbox(environment: Environment) -> SandboxOptions:
    kept = environment.variables.get("PERDURE_TOOL_PACKAGES_DIR")
    return SandboxOptions(
        concurrency=int(environment.number("PERDURE_TOOL_CONCURRENCY", SandboxOptions.concurrency, minimum=1)),
        allows_too_few_layers=environment.flag("PERDURE_ALLOW_UNSANDBOXED_TOOLS"),
        reachable=Reachable(private=environment.flag("PERDURE_ALLOW_PRIVATE_TOOL_ADDRESSES"), services=name_servers()),
        packages=Path(kept) if kept else None,
        max_package_bytes=int(environment.number("PERDURE_TOOL_PACKAGES_MB", MAX_BYTES // MEBIBYTE)) * MEBIBYTE,
        environment=environment.variables,
    )


def _read_account(environment: Environment, account: Account) -> Account:
    variables, name = environment.variables, account.provider.upper()
    base_url = variables.get(f"{name}_BASE_URL") or account.base_url
    return replace(account, key=variables.get(account.key_name, ""), base_url=base_url.rstrip("/"))


def _read_allowance(environment: Environment) -> Allowance:
    """Raises `BadConfiguration` for packages that are none."""
    named = environment.variables.get("PERDURE_RUN_CODE_PACKAGES", "").split()
    try:
        packages = read_requirements("python", [(name, None) for name in named])
    except BadRequirement as exc:
        raise BadConfiguration(f"PERDURE_RUN_CODE_PACKAGES: {exc}") from exc
    return Allowance(packages, network=environment.flag("PERDURE_RUN_CODE_NETWORK"))
