"""The settings of the tools service."""

from dataclasses import dataclass

from services.common.config import Addresses, Environment
from services.common.secrets import SecretBox
from services.tools.mcp.clients.connection import ConnectionLimits
from services.tools.mcp.clients.transport import Allowed
from services.tools.sandbox.job import Limits

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Config:
    """Where it listens and stores, and what calls of tools may use."""

    addresses: Addresses
    database_url: str
    secrets: SecretBox
    mcp_allowed: Allowed
    mcp_limits: ConnectionLimits
    limits: Limits
    concurrency: int
    allows_unsandboxed_tools: bool

    @classmethod
    def read(cls, environment: Environment) -> "Config":
        """From the environment; raises `BadConfiguration`."""
        limits = Limits(
            timeout_s=environment.number("PERDURE_TOOL_TIMEOUT_S", Limits.timeout_s, minimum=0.1),
            memory_bytes=int(environment.number("PERDURE_TOOL_MEMORY_MB", 1024, minimum=64)) * MEBIBYTE,
        )
        return cls(
            addresses=Addresses.read(environment),
            database_url=environment.text("DATABASE_URL"),
            secrets=SecretBox.read(environment),
            mcp_allowed=Allowed(
                stdio=environment.flag("PERDURE_ALLOW_STDIO_MCP"),
                private_addresses=environment.flag("PERDURE_ALLOW_PRIVATE_MCP"),
            ),
            mcp_limits=ConnectionLimits(
                connect_s=environment.number("PERDURE_MCP_CONNECT_TIMEOUT_S", ConnectionLimits.connect_s, minimum=0.1),
                call_s=environment.number("PERDURE_MCP_CALL_TIMEOUT_S", ConnectionLimits.call_s, minimum=0.1),
            ),
            limits=limits,
            concurrency=int(environment.number("PERDURE_TOOL_CONCURRENCY", 16, minimum=1)),
            allows_unsandboxed_tools=environment.flag("PERDURE_ALLOW_UNSANDBOXED_TOOLS"),
        )
