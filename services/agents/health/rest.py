"""Health and readiness."""

from importlib.metadata import version

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from perdure.agents.v1 import rest_pb2 as rest
from services.common.caller import Caller
from services.common.database import Database
from services.common.errors import Unavailable
from services.contract.health import Health


class HealthOperations:
    """What `/v1/health` and `/v1/ready` do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_health(self, _: Caller, __: rest.GetHealthQuery, ___: None) -> Health:
        """That the server answers."""
        return Health(version=version("perdure"), status="ok")

    async def get_readiness(self, _: Caller, __: rest.GetReadinessQuery, ___: None) -> Health:
        """That the database answers too. Raises `Unavailable`."""
        try:
            async with self._database.begin() as tx:
                await tx.execute(text("SELECT 1"))
        except (DBAPIError, OSError, TimeoutError) as exc:
            raise Unavailable("The database does not answer.", retry_after_s=1) from exc
        return Health(version=version("perdure"), status="ok")
