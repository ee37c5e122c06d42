"""The turns that hold conversations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.common.database import Database, Transaction


@dataclass(frozen=True)
class ActiveTurn:
    """A turn that goes on."""

    organization_id: str
    run_id: str
    conversation_id: str


class ActiveTurnStore(Protocol):
    """Where turns are kept."""

    async def list_active(self, tx: Transaction, before: datetime, after: str, limit: int) -> Sequence[ActiveTurn]:
        """Turns of all organisations that began before a time, ordered by run, from the one after a run on."""


class ActiveTurns:
    """Lists them."""

    def __init__(self, database: Database, store: ActiveTurnStore, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._store = store
        self._now = now

    async def list(self, *, min_age_s: int, after: str, limit: int) -> Sequence[ActiveTurn]:
        """Those that began so many seconds ago, of all organisations, ordered by run, from the one after a run on."""
        before = self._now() - timedelta(seconds=min_age_s)
        async with self._database.begin() as tx:
            return await self._store.list_active(tx, before, after, limit)
