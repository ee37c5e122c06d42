"""Runs that are stopped as another wants their conversation."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from services.common.errors import PerdureError
from services.runs.line import Interrupted

log = logging.getLogger(__name__)


class Interruptions:
    """Stops runs in the background, each once at a time. One that cannot be stopped now is found again by a beat."""

    def __init__(self, stop: Callable[[Interrupted], Awaitable[object]]) -> None:
        self._stop = stop
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, found: Sequence[Interrupted]) -> None:
        """Stops these runs."""
        for one in found:
            if one.run_id not in self._tasks:
                task = self._tasks[one.run_id] = asyncio.create_task(self._interrupt(one), name=f"stop {one.run_id}")
                task.add_done_callback(lambda _, run_id=one.run_id: self._tasks.pop(run_id))  # type: ignore[misc]

    async def stop(self) -> None:
        """Breaks off what is under way: others find it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _interrupt(self, one: Interrupted) -> None:
        try:
            await self._stop(one)
        except PerdureError as exc:
            log.warning("%s cannot be interrupted: %s", one.run_id, exc)
