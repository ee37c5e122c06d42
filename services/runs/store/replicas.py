"""The processes that own runs: one row each, stamped by the database's clock."""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.runs.line import Interrupted
from services.runs.records import Claimed, Run
from services.runs.recovery.heartbeat import STALE_S, Pulse
from services.runs.store.callbacks import claim_callbacks
from services.runs.store.claiming import claim
from services.runs.store.line import claim_next, tend_lines

# Stamps, notes what was delivered, and tells which of our runs have ended elsewhere or belong to another by now, and
# which replicas live. Its commit waits for no disk, as one that is slow for seconds would make all processes look dead.
_BEAT = text(
    f"""
    WITH stamped AS (
        INSERT INTO runs.replicas (owner, address, heartbeat_at, takes_runs)
        SELECT CAST(:owner AS text), CAST(:address AS text), clock_timestamp(), CAST(:takes_runs AS boolean)
        FROM set_config('synchronous_commit', 'off', true)
        ON CONFLICT (owner) DO UPDATE SET heartbeat_at = clock_timestamp(), takes_runs = :takes_runs),
    delivered AS (
        UPDATE runs.runs SET delivered_at = clock_timestamp()
        FROM unnest(CAST(:organizations AS text[]), CAST(:delivered AS text[])) AS done (organization_id, id)
        WHERE runs.id = done.id AND runs.organization_id = done.organization_id),
    gone AS (
        DELETE FROM runs.replicas WHERE owner <> :owner AND heartbeat_at < clock_timestamp() - interval '1 hour')
    SELECT mine.id, COALESCE(runs.owner = :owner, false) AS owned, NULL AS alive, NULL AS address, NULL AS is_heir
    FROM unnest(CAST(:mine AS text[])) AS mine (id) LEFT JOIN runs.runs AS runs ON runs.id = mine.id
    WHERE runs.owner IS DISTINCT FROM :owner OR runs.status NOT IN ('created', 'running')
    UNION ALL
    SELECT NULL, NULL, owner, address, takes_runs AND owner <> :owner FROM runs.replicas
    WHERE heartbeat_at > clock_timestamp() - interval '{STALE_S} seconds'
    """  # noqa: S608  # a number of ours
)
_LEAVE = text("DELETE FROM runs.replicas WHERE owner = :owner")


class PostgresReplicas:
    """The row of this process, on a connection of its own, so that a busy pool cannot make it look dead."""

    def __init__(self, engine: AsyncEngine, owner: str, address: str) -> None:
        self._engine = engine
        self._owner = owner
        self._address = address
        self._connection: AsyncConnection | None = None

    async def beat(
        self, mine: Collection[str], delivered: Collection[tuple[str, str]], *, takes_runs: bool = True
    ) -> Pulse:
        """Stamps this process: one statement."""
        values = {
            "owner": self._owner,
            "address": self._address,
            "takes_runs": takes_runs,
            "mine": list(mine),
            "organizations": [organization_id for organization_id, _ in delivered],
            "delivered": [run_id for _, run_id in delivered],
        }
        rows = (await (await self._connect()).execute(_BEAT, values)).all()
        return Pulse(
            ended=[row.id for row in rows if row.owned],
            lost=[row.id for row in rows if row.owned is False],
            alive={row.alive: row.address for row in rows if row.alive},
            has_heirs=any(row.is_heir for row in rows),
        )

    async def claim(self, mine: Collection[str], limit: int, *, lost: bool) -> Sequence[Claimed]:
        """Runs that wait or whose owner died, and those whose turn it is in their line, now ours: two statements."""
        connection = await self._connect()
        taken = await claim(connection, self._owner, mine, limit, lost=lost)
        return [*taken, *await claim_next(connection, self._owner, limit - len(taken))]

    async def tend_lines(self) -> Sequence[Interrupted]:
        """Ends what has waited too long; the runs of ours that others interrupt: one statement."""
        return await tend_lines(await self._connect(), self._owner)

    async def claim_callbacks(self, limit: int) -> Sequence[Run]:
        """Runs whose callbacks are due, for this process to send: one statement."""
        return await claim_callbacks(await self._connect(), limit)

    async def leave(self) -> None:
        """Takes the row away: this process owns nothing any more. One statement."""
        await (await self._connect()).execute(_LEAVE, {"owner": self._owner})

    async def reset(self) -> None:
        """Drops the connection after a failure."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()

    async def _connect(self) -> AsyncConnection:
        if self._connection is None:
            connection = await self._engine.connect()
            self._connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        return self._connection
