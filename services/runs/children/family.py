"""Runs that tool calls of other runs started, and who started whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.errors import Conflict


class ParentEnded(Conflict):
    """The run that was to start another has ended: it starts nothing any more."""

    reason = "PARENT_ENDED"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} has ended.", should_retry=False)


@dataclass(frozen=True)
class Relative:
    """A run, as its descendants know it."""

    run_id: str
    conversation_id: str
    is_active: bool


class Family(Protocol):
    """Who started whom."""

    async def ancestors(self, organization_id: str, run_id: str) -> Sequence[Relative]:
        """The run itself, the one that started it, and so on to the one that a client started."""

    async def active_children(self, organization_id: str, run_id: str) -> Sequence[str]:
        """The runs that tool calls of this one started and that go on."""
