"""Callbacks in Postgres: a run's row says when its callback is due, and what came of it."""

from collections.abc import Sequence

from sqlalchemy import bindparam, case, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.database import Database
from services.runs.callbacks.callbacks import CallbackResult
from services.runs.records import ACTIVE_STATUSES, Run
from services.runs.store.run_rows import SHOWN, read_run
from services.runs.tables import runs

MAX_ATTEMPTS = 6
FIRST_PAUSE = text("interval '30 seconds'")  # more than a POST may take; each further pause is twice the one before

_DUE = (
    select(runs.c.id)
    .where(runs.c.callback_due_at <= func.clock_timestamp(), runs.c.status.not_in(ACTIVE_STATUSES))
    .order_by(runs.c.callback_due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(runs)
    .where(runs.c.id.in_(_DUE.scalar_subquery()))
    .values(
        callback_attempts=runs.c.callback_attempts + 1,
        callback_due_at=case(
            (
                runs.c.callback_attempts + 1 < MAX_ATTEMPTS,
                func.clock_timestamp() + FIRST_PAUSE * func.power(2, runs.c.callback_attempts),
            )
        ),
    )
    .returning(*SHOWN)
)


async def claim_callbacks(connection: AsyncConnection, limit: int) -> Sequence[Run]:
    """Runs that have ended and whose callback is due: one statement. They come due again, up to `MAX_ATTEMPTS`."""
    return [read_run(row) for row in await connection.execute(_CLAIM, {"limit": limit})]


class PostgresCallbacks:
    """What came of callbacks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, run: Run, result: CallbackResult) -> None:
        """Stores what came of a POST: one statement. After a final one nothing is due any more."""
        noting = (
            update(runs)
            .where(runs.c.organization_id == run.organization_id, runs.c.id == run.id)
            .values(callback_status_code=result.status_code, callback_error=result.error)
        )
        if result.is_final:
            noting = noting.values(callback_sent_at=func.clock_timestamp(), callback_due_at=None)
        async with self._database.begin() as connection:
            await connection.execute(noting)
