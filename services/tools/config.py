"""The settings of the tools service."""

from dataclasses import dataclass

from services.common.config import Addresses, Environment
from services.tools.sandbox.job import Limits

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Config:
    """Where it listens and stores, and what calls of tools may use."""

    addresses: Addresses
    database_url: str
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
            limits=limits,
            concurrency=int(environment.number("PERDURE_TOOL_CONCURRENCY", 16, minimum=1)),
            allows_unsandboxed_tools=environment.flag("PERDURE_ALLOW_UNSANDBOXED_TOOLS"),
        )
