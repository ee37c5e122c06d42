"""The heartbeat of this process: it stamps, hears of runs that are not ours any more, and takes lost ones.

Callbacks that are due are found with it, too.
"""

import asyncio
import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from services.runs.callbacks.callbacks import Callbacks
from services.runs.line import Interrupted
from services.runs.records import Claimed, Run
from services.runs.recovery.active_turns import ActiveTurns
from services.runs.recovery.bell import QUEUE, Bell
from services.runs.recovery.interruptions import Interruptions

log = logging.getLogger(__name__)

BEAT_S = 0.5  # seconds between two stamps
FENCE_S = 2.0  # seconds without a stamp after which this process stops its turns
STALE_S = 3.0  # seconds without a stamp after which others take them


@dataclass(frozen=True)
class Pulse:
    """What a heartbeat brought back: runs of ours that have ended by another's hand, and that another has.

    `alive` are the owners that stamp, with their addresses; `has_heirs`: one of the others takes runs.
    """

    ended: Sequence[str]
    lost: Sequence[str]
    alive: Mapping[str, str]
    has_heirs: bool


class Replicas(Protocol):
    """Where processes are known, on a connection of its own."""

    async def beat(
        self, mine: Collection[str], delivered: Collection[tuple[str, str]], *, takes_runs: bool = True
    ) -> Pulse:
        """Stamps this process with the database's clock. `delivered` are runs by organisation and id."""

    async def claim(self, mine: Collection[str], limit: int, *, lost: bool) -> Sequence[Claimed]:
        """Runs that wait, and those whose turn it is in their line, now ours; `lost`: those whose owner died, too."""

    async def tend_lines(self) -> Sequence[Interrupted]:
        """Ends what has waited too long for its conversation; the runs of ours that others interrupt."""

    async def claim_callbacks(self, limit: int) -> Sequence[Run]:
        """Runs whose callbacks are due, for this process to send."""

    async def leave(self) -> None:
        """This process owns nothing any more."""

    async def reset(self) -> None:
        """Drops the connection after a failure."""


class Neighbours(Protocol):
    """The other replicas."""

    def meet(self, alive: Mapping[str, str]) -> None:
        """The owners that live now, with their addresses."""


@dataclass
class ReplicaHeartbeat:
    """Beats until cancelled.

    `delivered` are runs, by organisation and id, whose whole answer was sent: noted with the next beat. `has_heirs`:
    another replica takes the runs that this one lets go.
    """

    replicas: Replicas
    turns: ActiveTurns
    bell: Bell
    callbacks: Callbacks
    interruptions: Interruptions
    neighbours: Neighbours
    delivered: set[tuple[str, str]] = field(default_factory=set)
    has_heirs: bool = False
    _sooner: asyncio.Event = field(default_factory=asyncio.Event)

    async def first(self) -> None:
        """The first stamp, before any run is accepted."""
        await self.replicas.beat((), ())

    async def run(self) -> None:
        """Beats, until cancelled."""
        stamped = time.monotonic()
        # When a stamp failed or was late: if the database or the machine stood still, all look dead for a while.
        missed = -math.inf
        while True:
            try:
                async with asyncio.timeout(max(FENCE_S - (time.monotonic() - stamped), BEAT_S)):
                    began = time.monotonic()
                    if began - stamped > FENCE_S:
                        missed = began
                    is_certain = began - missed > STALE_S
                    await self._stamp(is_certain=is_certain)
                    stamped = began
                    await self._claim(lost=is_certain)
            except Exception as exc:  # noqa: BLE001  # the top of the loop: whatever the database does, it goes on
                log.warning("no heartbeat: %r", exc)
                missed = time.monotonic()
                if missed - stamped > FENCE_S:
                    self.turns.stop(list(self.turns.run_ids), "lost")
                await self._reset()
            await self._pause()

    async def listen(self) -> None:
        """Hears wake-ups, until cancelled."""
        await self.bell.listen(self._hear)

    async def leave(self) -> None:
        """The last words of this process; unheard, others miss it soon.

        The connection may have been in use when the heartbeat was stopped.
        """
        await self._reset()
        try:
            await self.replicas.leave()
        except Exception as exc:  # noqa: BLE001  # whatever the database does, the process ends
            log.warning("leaves without a word: %r", exc)
        await self.bell.ring(QUEUE)
        await self._reset()

    async def stop(self) -> None:
        """Without a word: drops the connection."""
        await self.replicas.reset()

    def _hear(self, text: str) -> None:
        if text == QUEUE:
            self._sooner.set()
        else:
            self.turns.stop([text], "ended")

    async def _stamp(self, *, is_certain: bool) -> None:
        """`is_certain`: who looks dead is dead."""
        delivered, self.delivered = self.delivered, set()
        try:
            takes_runs = not self.turns.is_stopping
            pulse = await self.replicas.beat(self.turns.begun_ids, delivered, takes_runs=takes_runs)
        except BaseException:
            self.delivered |= delivered
            raise
        self.turns.stop(pulse.ended, "ended")
        self.turns.stop(pulse.lost, "lost")
        self.neighbours.meet(pulse.alive)
        if pulse.has_heirs or is_certain:
            self.has_heirs = pulse.has_heirs

    async def _claim(self, *, lost: bool) -> None:
        free = self.turns.free_slots
        if free:
            for claimed in await self.replicas.claim(self.turns.run_ids, free, lost=lost):
                log.info("takes %s over, attempt %d", claimed.run.id, claimed.run.attempt)
                self.turns.start(claimed, is_accepted=True)
        begun = [one for one in await self.replicas.tend_lines() if self.turns.has_begun(one.run_id)]
        self.interruptions.begin(begun)
        if self.callbacks.free_slots:
            self.callbacks.start(await self.replicas.claim_callbacks(self.callbacks.free_slots))

    async def _reset(self) -> None:
        try:
            await self.replicas.reset()
        except Exception as exc:  # noqa: BLE001  # a broken connection may break once more while it is closed
            log.debug("while closing: %s", exc)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await self._sooner.wait()
        self._sooner.clear()
