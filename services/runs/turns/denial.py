"""Denying what a conversation's last run asks leave for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.runs.records import Run, RunFilter
from services.runs.turns.history import History
from services.runs.turns.turn import CANCELLED


class AskingRuns(Protocol):
    """Where runs are found that asked for an approval."""

    async def list_asking(self, organization_id: str, where: RunFilter) -> Sequence[Run]:
        """The last run of each conversation that ended with a request for approval: what others asked was answered."""


@dataclass(frozen=True)
class Denial:
    """Denies pending approvals of a conversation or an agent."""

    runs: AskingRuns
    history: History

    async def deny(self, organization_id: str, where: RunFilter, *, rolls_back: bool = False) -> Sequence[str]:
        """Denies what waits for approval; the ids of the runs that asked. `rolls_back`: these leave the context."""
        asked = await self.runs.list_asking(organization_id, where)
        return [run.id for run in asked if await self._deny(run, rolls_back)]

    async def _deny(self, run: Run, rolls_back: bool) -> bool:
        return bool((await self.history.end(run, CANCELLED, attempt=0, out_of_context=rolls_back)).closing)
