"""The ledger: what was paid for and what was done, before it is committed."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from perdure.conversation.v1.message_pb2 import ToolCall, ToolReturn
from services.runs.records import Draft, LedgerCall, Run, Step


class Ledger(Protocol):
    """Keeps finished model calls and begun tool calls, so that a takeover neither pays nor acts twice."""

    async def save(self, run: Run, rows: Sequence[Step]) -> None:
        """Writes steps that are committed. Raises `Superseded` where a newer attempt has the run."""

    async def open_calls(self, run: Run, number: int, calls: Sequence[ToolCall], draft: Draft | None) -> bool:
        """Notes calls about to be made; False where the run is not this attempt's any more."""

    async def close_call(self, run: Run, number: int, result: ToolReturn) -> None:
        """Notes what a call gave."""

    async def draft(self, run: Run, number: int) -> Draft | None:
        """The finished model call of a step that was not committed."""

    async def calls(self, run: Run, number: int) -> Mapping[str, LedgerCall]:
        """The calls of a step that were begun."""

    async def of_run(self, organization_id: str, run_id: str) -> Sequence[Step]:
        """All steps of a run that are written, oldest first."""
