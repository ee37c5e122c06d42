"""Telling the ends of runs to those who asked for it: one POST each, whatever process ended the run.

A run whose callback is due is claimed from its row. Claiming makes it due again later, so that a process which dies
meanwhile, or an address that does not answer, only delays it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from perdure.conversation.v1.message_pb2 import Message
from services.common import telemetry
from services.common.errors import PerdureError
from services.runs.records import Run
from services.runs.turns.history import History

log = logging.getLogger(__name__)

MAX_AT_ONCE = 32  # POSTs of one process
_TRY_AGAIN = (408, 425, 429)  # answers that ask for it; those from 500 on do, too


@dataclass(frozen=True)
class CallbackResult:
    """What came of a POST: the status of its answer, or in `error` why there was none."""

    status_code: int | None = None
    error: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether another try would change nothing."""
        return self.status_code is not None and self.status_code < 500 and self.status_code not in _TRY_AGAIN


class Post(Protocol):
    """Sends a callback."""

    async def __call__(self, url: str, body: bytes) -> CallbackResult:
        """One POST of JSON with a deadline. Never raises what the other side does."""


class CallbackStore(Protocol):
    """Where it is noted what callbacks came to."""

    async def note(self, run: Run, result: CallbackResult) -> None:
        """Stores what came of a POST."""


@dataclass
class Callbacks:
    """Sends callbacks that were claimed, each in a task of its own. `render` makes the body."""

    store: CallbackStore
    history: History
    post: Post
    render: Callable[[Run, Sequence[Message]], bytes]
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def free_slots(self) -> int:
        """How many more this process takes."""
        return MAX_AT_ONCE - len(self._tasks)

    def start(self, claimed: Sequence[Run]) -> None:
        """Sends the callbacks of runs that have ended."""
        for run in claimed:
            task = asyncio.create_task(self._send(run), name=f"callback of {run.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Breaks off what is under way: it comes due again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _send(self, run: Run) -> None:
        telemetry.run_id.set(run.id)
        try:
            body = self.render(run, await self.history.messages(run))
            await self.store.note(run, await self.post(run.callback_url or "", body))
        except PerdureError as exc:
            log.warning("the callback could not be prepared: %s", exc)
        except Exception:  # the top of a task: the callback comes due again
            log.exception("the callback broke off")
