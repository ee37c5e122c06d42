"""Denying what a conversation's last run asks leave for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.runs.records import Run, RunFilter
from services.runs.turns.history import History
from services.runs.turns.turn import CANCELLED

MAX_WAITING = 20  # runs, the newest, that are asked whether they wait for an approval


class RunLister(Protocol):
    """Where runs are found."""

    async def list(self, organization_id: str, wanted: RunFilter) -> Sequence[Run]:
        """Runs, newest first."""


@dataclass(frozen=True)
class Denial:
    """Denies pending approvals of a conversation or an agent."""

    runs: RunLister
    history: History

    async def deny(self, organization_id: str, where: RunFilter, *, rolls_back: bool = False) -> Sequence[str]:
        """Denies what waits for approval; the ids of the runs that asked. `rolls_back`: these leave the context."""
        wanted = replace(where, stop_reason="requires_approval", limit=MAX_WAITING)
        asked = await self.runs.list(organization_id, wanted)
        newest = {run.conversation_id: run for run in reversed(asked)}  # what others asked was answered
        return [run.id for run in newest.values() if await self._deny(run, rolls_back)]

    async def _deny(self, run: Run, rolls_back: bool) -> bool:
        return bool((await self.history.end(run, CANCELLED, attempt=0, out_of_context=rolls_back)).closing)
