"""Wake-ups between replicas, as the domain uses them."""

from collections.abc import Callable
from typing import Protocol

QUEUE = "queue"  # rung when a run waits for an owner; any other text is the id of a run that has ended


class Bell(Protocol):
    """Only saves time: the heartbeat finds everything too."""

    async def ring(self, text: str) -> None:
        """Wakes the other replicas."""

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Calls `heard` with every text that is rung, until cancelled."""


class SilentBell:
    """For a single replica: there is nobody to wake."""

    async def ring(self, text: str) -> None:
        """Does nothing."""

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Hears nothing."""
