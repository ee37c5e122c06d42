"""What a turn works with."""

from dataclasses import dataclass
from typing import Protocol

from services.runs.ending import Ending
from services.runs.records import Run
from services.runs.turns.history import History
from services.runs.turns.ledger import Ledger
from services.runs.turns.model import Model
from services.runs.turns.tools import Tools


class RunRecords(Protocol):
    """Where runs are kept."""

    async def finish(self, run: Run, ending: Ending) -> Run | None:
        """Stores the end and the steps; the run as it is then, None where a newer attempt has it."""

    async def set_agent(self, run: Run, agent_id: str) -> None:
        """The agent of a run whose request did not name it."""

    async def release(self, run: Run, last_seq: int) -> None:
        """Puts an active run of ours back into the queue."""

    async def delete(self, organization_id: str, run_id: str) -> bool:
        """Forgets a run."""


@dataclass(frozen=True)
class Services:
    """The other services, and where runs are kept."""

    history: History
    model: Model
    tools: Tools
    ledger: Ledger
    runs: RunRecords
