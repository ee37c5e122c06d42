"""Work beside answering calls, for as long as a process lives."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Self

log = logging.getLogger(__name__)

CANCEL_S = 0.5  # seconds before a task that was cancelled is cancelled again


class BrokenOff(Exception):
    """Work broke off without which the process had better not live on; the log says which."""


class Background:
    """Where such work is begun and ended.

    What breaks off cannot be trusted to begin again in this process. So `broken` is set, for `serve` to stop at, and
    leaving the block raises `BrokenOff`: the process ends with an error, and its supervisor starts it anew.
    """

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.stop()
        if kind is None and self.broken.is_set():
            raise BrokenOff("A part of this process broke off; its log says which.")

    def begin(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Begins work that goes on until it is cancelled."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._notice)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Ends all of it. A cancel that meets a reply of Redis is lost in its client, so it may need several."""
        for task in self._tasks:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=CANCEL_S)

    def _notice(self, task: asyncio.Task[None]) -> None:
        """Nobody else waits for the task before the process stops."""
        if not task.cancelled():
            log.error("the %s broke off", task.get_name(), exc_info=task.exception())
            self.broken.set()
