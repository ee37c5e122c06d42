"""Turns that hold their conversations, but whose runs are gone, or have ended: nobody else would ever end them."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.errors import PerdureError
from services.runs.turns.failures import is_interruption
from services.runs.turns.history import TurnEnd

log = logging.getLogger(__name__)

MIN_AGE_S = 10  # seconds that a turn is held for before it is looked at; most have ended by then
SWEEP_S = 10.0  # seconds between two looks
PAGE = 1000  # turns looked at at once
ABANDONED = TurnEnd("failed", "error", "The turn was ended, as its run is gone.")


@dataclass(frozen=True)
class HeldTurn:
    """A turn that holds its conversation."""

    organization_id: str
    run_id: str
    conversation_id: str


class Turns(Protocol):
    """The turns that the agents service keeps."""

    async def list_active(self, *, min_age_s: int, after: str, limit: int) -> Sequence[HeldTurn]:
        """Those that began so long ago, of all organisations, ordered by run, from the one after a run on."""

    async def abandon(self, turn: HeldTurn, end: TurnEnd) -> None:
        """Ends one, whatever attempt has it."""


class Runs(Protocol):
    """The runs that this service keeps."""

    async def find_active_ids(self, run_ids: Collection[str]) -> Collection[str]:
        """Those of the runs that are there and have not ended."""


@dataclass(frozen=True)
class Orphans:
    """Ends them. Several replicas may do so at once."""

    turns: Turns
    runs: Runs

    async def sweep(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            try:
                await self.end_all()
            except Exception as exc:  # noqa: BLE001  # the top of the loop: whatever is away, it goes on
                log.warning("cannot look for turns without runs: %r", exc)
            await asyncio.sleep(SWEEP_S)

    async def end_all(self, *, min_age_s: int = MIN_AGE_S) -> int:
        """Ends those of this age. How many. Raises what tells that the agents service or the database is away.

        A run is stored before its turn begins and ends after it, so a turn that was listed has lost its run if that is
        not found active then.
        """
        count, after = 0, ""
        while held := await self.turns.list_active(min_age_s=min_age_s, after=after, limit=PAGE):
            after = held[-1].run_id
            active = await self.runs.find_active_ids([turn.run_id for turn in held])
            for turn in held:
                if turn.run_id not in active:
                    count += await self._end(turn)
        return count

    async def _end(self, turn: HeldTurn) -> bool:
        """Whether it could be ended. One that cannot keeps nobody from ending the others."""
        log.warning("%s of %s has a turn and is gone", turn.run_id, turn.conversation_id)
        try:
            await self.turns.abandon(turn, ABANDONED)
        except PerdureError as exc:
            if is_interruption(exc):
                raise
            log.warning("its turn cannot be ended: %s", exc)
            return False
        return True
