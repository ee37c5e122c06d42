"""Health and readiness."""

from importlib.metadata import version
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from perdure.agents.v1 import agent_rest_pb2 as rest
from services.common.caller import Caller
from services.common.database import Database
from services.common.errors import PerdureError, Unavailable
from services.contract.health import Health, Ready, ToolSandbox


class Tools(Protocol):
    """Where tools run."""

    async def sandbox(self) -> ToolSandbox:
        """What keeps them from the rest of the machine, in a fraction of a second. Raises `PerdureError`."""


class HealthOperations:
    """What `/v1/health` and `/v1/ready` do."""

    def __init__(self, database: Database, tools: Tools) -> None:
        self._database = database
        self._tools = tools

    async def get_health(self, _: Caller, __: rest.GetHealthQuery, ___: None) -> Health:
        """That the server answers, whatever the state of its parts."""
        try:
            sandbox = await self._tools.sandbox()
        except PerdureError:
            sandbox = ToolSandbox(status="unreachable")
        return Health(version=version("perdure"), status="ok", tool_sandbox=sandbox)

    async def get_readiness(self, _: Caller, __: rest.GetReadinessQuery, ___: None) -> Ready:
        """That the database answers too. Raises `Unavailable`."""
        try:
            async with self._database.begin() as tx:
                await tx.execute(text("SELECT 1"))
        except (DBAPIError, OSError, TimeoutError) as exc:
            raise Unavailable("The database does not answer.", retry_after_s=1) from exc
        return Ready(version=version("perdure"), status="ok")
