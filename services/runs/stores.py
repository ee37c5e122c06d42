"""Where runs, steps and refusals are kept, as `Runs` uses them."""

from collections.abc import Sequence
from typing import Protocol

from services.runs.ending import Ending
from services.runs.records import Run, RunFilter, RunRequest, Step, StepFilter


class RunStore(Protocol):
    """Runs."""

    async def insert(
        self, run_id: str, request: RunRequest, owner: str | None, *, sent: RunRequest, known: Run | None = None
    ) -> Run | None:
        """A new run; None where its conversation is busy, or the request was sent before and started a newer run
        than the one that is `known`.

        `sent` is the request as its client sent it, by which a repeated one is known.
        """

    async def get(self, organization_id: str, run_id: str) -> Run | None:
        """One run."""

    async def find_repeated(self, request: RunRequest) -> Run | None:
        """The run that an earlier sending of this request started. Raises `KeyReused`."""

    async def find_by_otid(self, organization_id: str, conversation_id: str, otid: str) -> Run | None:
        """The conversation's latest run whose input had this otid."""

    async def find_active(self, organization_id: str, conversation_id: str) -> Run | None:
        """The run that a conversation is busy with: the one that has it, else the one that waits for it first."""

    async def count_waiting(self, most: int) -> int:
        """How many runs wait for a process to carry them out, counted up to a number."""

    async def list(self, organization_id: str, wanted: RunFilter) -> Sequence[Run]:
        """Runs in the order of their creation."""

    async def end(self, organization_id: str, run_id: str, ending: Ending) -> Run | None:
        """The end of a run that another process may be carrying out, with its steps; None where it was final before."""

    async def delete(self, organization_id: str, run_id: str) -> bool:
        """Forgets a run and its steps."""


class StepStore(Protocol):
    """Steps."""

    async def get(self, organization_id: str, step_id: str) -> Step | None:
        """One step."""

    async def of_run(self, organization_id: str, run_id: str) -> Sequence[Step]:
        """All steps of a run that are written, oldest first."""

    async def list(self, organization_id: str, wanted: StepFilter) -> Sequence[Step]:
        """Steps in the order of their creation."""


class Refusals(Protocol):
    """Sends that were refused."""

    def add(self, request: RunRequest) -> None:
        """Soon an equal request that comes as a retry, within half a minute, is known to be of this one."""
