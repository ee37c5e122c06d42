"""Sends that were refused, noted at the runs of equal ones that were answered before."""

import asyncio
import logging
import time
from typing import NamedTuple

from sqlalchemy import Float, bindparam, func, text, update

from services.common.database import Database
from services.common.errors import PerdureError
from services.runs.records import RunRequest
from services.runs.store.repeated import OLDEST, RETRY_WINDOW, is_named, request_hash
from services.runs.tables import runs

log = logging.getLogger(__name__)

MOST = 1_000  # that wait for the database at most; more are not noted
_THEN = func.now() - text("interval '1 second'") * bindparam("age_s", type_=Float)
_NOTE = (
    update(runs)
    .where(
        runs.c.organization_id == bindparam("sent_by"),
        runs.c.conversation_id == bindparam("sent_to"),
        runs.c.request_hash == bindparam("sent_hash"),
        runs.c.created_at > func.now() - OLDEST,
        runs.c.completed_at > func.now() - RETRY_WINDOW,
        runs.c.completed_at < _THEN,
    )
    .values(refused_at=_THEN)
)


class _Refused(NamedTuple):
    """A request, as equal ones are found by."""

    organization_id: str
    conversation_id: str
    request_hash: bytes


class PostgresRefusals:
    """Writes in the background: what comes while one write is under way goes with the next. `run` is its task.

    So a refusal waits for nothing, and however many there are, they take one connection.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[_Refused, float] = {}  # and when, by the monotonic clock
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, request: RunRequest) -> None:
        """A request was refused. Those that their clients have named are known without."""
        if is_named(request) or len(self._waiting) >= MOST:
            return
        refused = _Refused(request.organization_id, request.conversation_id, request_hash(request))
        self._waiting[refused] = time.monotonic()
        self._wake.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.write()
            except PerdureError as exc:
                log.warning("refusals cannot be noted just now: %s", exc)
            except Exception:  # the top of the loop: one bad request must not end it
                log.exception("refusals are not noted")

    async def write(self) -> None:
        """Returns when all that was added is noted: one statement for each, in one transaction. Raises `DatabaseAway`.

        In order, so that replicas which note the same never wait in a circle.
        """
        async with self._writing:
            waiting, self._waiting = self._waiting, {}
            if waiting:
                now = time.monotonic()
                rows = [_parameters(refused, now - since) for refused, since in sorted(waiting.items())]
                async with self._database.begin() as connection:
                    await connection.execute(_NOTE, rows)


def _parameters(refused: _Refused, age_s: float) -> dict[str, object]:
    return {
        "sent_by": refused.organization_id,
        "sent_to": refused.conversation_id,
        "sent_hash": refused.request_hash,
        "age_s": age_s,
    }
