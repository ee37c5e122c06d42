"""A provider of models, as configured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.llm_router.adapter import Adapter
from services.llm_router.errors import Overloaded

MAX_CALLS = 256  # calls under way to one provider, from one process
SLOT_TIMEOUT_S = 30.0  # seconds; who waits longer for a slot is better told


@dataclass(frozen=True)
class Provider:
    """A provider: `name` is the first part of its handles, `type` its family in the public API.

    `is_closed` says that it has no other models than those it names: one that it does not know can be refused
    early. An open one, such as a server of one's own, is trusted to have whatever it is asked for.
    """

    name: str
    type: str
    endpoint: str
    adapter: Adapter
    is_closed: bool = False
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CALLS))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Holds one of the calls that may be under way. Raises `Overloaded` when none gets free."""
        try:
            async with asyncio.timeout(SLOT_TIMEOUT_S):
                await self.slots.acquire()
        except TimeoutError as exc:
            raise Overloaded(f"Too many calls to {self.name} are under way.") from exc
        try:
            yield
        finally:
            self.slots.release()
