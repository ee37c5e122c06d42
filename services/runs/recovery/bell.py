"""Wake-ups between replicas, as the domain uses them."""

import asyncio
from collections.abc import Callable
from typing import Protocol

QUEUE = "queue"  # rung when a run waits for an owner; any other text is the id of a run that has ended


class Bell(Protocol):
    """Only saves time: the heartbeat finds everything too."""

    async def ring(self, text: str) -> None:
        """Wakes the replicas, this one too."""

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Calls `heard` with every text that is rung, until cancelled."""


class OwnBell:
    """For a single replica: there is nobody else to wake."""

    def __init__(self) -> None:
        self._rung: asyncio.Queue[str] = asyncio.Queue()

    async def ring(self, text: str) -> None:
        """Wakes this replica."""
        self._rung.put_nowait(text)

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Hears itself."""
        while True:
            heard(await self._rung.get())
