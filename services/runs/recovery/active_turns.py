"""The turns that this process carries out, each a task of its own."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from services.common import telemetry
from services.common.errors import DeadlineExceeded, Internal, PerdureError, Superseded
from services.common.ids import new_id
from services.runs.events.feed import Feed
from services.runs.events.log import EventLog
from services.runs.events.recorder import Recorder
from services.runs.line import PENDING_APPROVAL, Line
from services.runs.records import Claimed
from services.runs.recovery.bell import QUEUE, Bell
from services.runs.turns.failures import is_interruption, is_unclear
from services.runs.turns.services import Services
from services.runs.turns.turn import Released, Turn

log = logging.getLogger(__name__)

RELEASE_S = 3.0  # seconds to give runs back in; others take them then anyway
Stop = Literal["ended", "lost", "released"]


@dataclass
class ActiveTurn:
    """One turn: what carries it out, and where its events go.

    `accepted` answers when the agents service has taken the input; it raises what that refused with. `is_accepted`: its
    client was told before that it was accepted. `stop` says why the task was cancelled.
    """

    turn: Turn
    feed: Feed
    recorder: Recorder
    accepted: asyncio.Future[None]
    is_accepted: bool
    stop: Stop | None = None
    task: "asyncio.Task[None] | None" = None


@dataclass
class ActiveTurns:
    """Starts turns while there are slots, and stops them."""

    services: Services
    event_log: EventLog
    bell: Bell
    line: Line
    slots: int
    _turns: dict[str, ActiveTurn] = field(default_factory=dict)
    _reserved: set[str] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def run_ids(self) -> Collection[str]:
        """The runs that this process owns or is about to."""
        return self._turns.keys() | self._reserved

    @property
    def begun_ids(self) -> Collection[str]:
        """The runs that this process owns and that are stored."""
        return self._turns.keys()

    @property
    def is_stopping(self) -> bool:
        """Whether this process takes no more runs."""
        return self._stopping.is_set()

    @property
    def free_slots(self) -> int:
        """How many more turns this process takes."""
        return 0 if self._stopping.is_set() else max(0, self.slots - len(self._turns))

    def reserve(self, run_id: str) -> None:
        """A run is about to be stored as ours: the sweep must not take it for a lost one."""
        self._reserved.add(run_id)

    def unreserve(self, run_id: str) -> None:
        """It was not stored, or it has been started."""
        self._reserved.discard(run_id)

    def feed(self, organization_id: str, run_id: str) -> Feed | None:
        """The events of a run of ours; None where it is not ours."""
        active = self._turns.get(run_id)
        return active.feed if active and active.turn.run.organization_id == organization_id else None

    def has_begun(self, run_id: str) -> bool:
        """Whether the input of a run of ours is in the history."""
        active = self._turns.get(run_id)
        return active is not None and active.accepted.done()

    def start(self, claimed: Claimed, *, is_accepted: bool) -> ActiveTurn:
        """Begins a turn. Without a free slot it only has its input accepted; then it waits in the queue.

        `is_accepted`: its client knows of the run, so that it cannot go as if it had never been.
        """
        run, feed = claimed.run, Feed()
        recorder = Recorder(run.id, run.attempt, feed, self.event_log)
        turn = Turn(claimed, self.services, recorder, self.event_log, self._stopping)
        active = ActiveTurn(turn, feed, recorder, asyncio.get_running_loop().create_future(), is_accepted)
        has_slot = self.free_slots > 0
        self._turns[run.id] = active
        self.unreserve(run.id)
        active.task = asyncio.create_task(self._drive(active, has_slot=has_slot), name=run.id)
        return active

    def stop(self, run_ids: Iterable[str], why: Stop) -> None:
        """Stops turns: their calls are cancelled at once."""
        for run_id in run_ids:
            active = self._turns.get(run_id)
            if active and active.task and active.stop is None:
                active.stop = why
                active.task.cancel()

    async def drain(self, timeout_s: float) -> None:
        """Takes nothing new; turns end, or stop at a step's end; what is left then goes back to the queue.

        What cannot go back either, as the database is away, is left to those who miss this process.
        """
        self._stopping.set()
        await self._wait(timeout_s)
        self.stop(list(self._turns), "released")
        for task in await self._wait(RELEASE_S):
            task.cancel()
        await self.event_log.flush()

    async def abandon(self) -> None:
        """Stops all turns without a word: they are another's, or will be."""
        self.stop(list(self._turns), "lost")
        await self._wait(None)

    async def _wait(self, timeout_s: float | None) -> "Collection[asyncio.Task[None]]":
        """Until the turns under way have ended: those that have not in time."""
        tasks = [active.task for active in self._turns.values() if active.task]
        return (await asyncio.wait(tasks, timeout=timeout_s))[1] if tasks else ()

    async def _drive(self, active: ActiveTurn, *, has_slot: bool) -> None:
        run = active.turn.run
        telemetry.request_id.set(telemetry.request_id.get() or new_id("req"))  # none comes with a takeover
        telemetry.run_id.set(run.id)
        telemetry.attempt.set(run.attempt)
        try:
            await self._carry_out(active, has_slot=has_slot)
        except asyncio.CancelledError:
            await self._wind_up(active)
        except Superseded as taken:
            log.info("stopped: %s", taken)
        except Exception as exc:  # the top of a turn: the run must not be left without an owner
            log.exception("the turn broke off")
            await self._give_back(active, exc)
        finally:
            try:
                await self.event_log.flush()  # followers get the last events before they are let go
            finally:
                self._forget(active)
        if active.turn.has_followers:
            await self.bell.ring(QUEUE)

    def _forget(self, active: ActiveTurn) -> None:
        if self._turns.get(active.turn.run.id) is active:
            del self._turns[active.turn.run.id]
        active.feed.close()
        if not active.accepted.done():
            active.accepted.set_exception(Internal("The run could not be begun."))
        active.accepted.exception()  # looked at: nobody may be waiting for it

    async def _carry_out(self, active: ActiveTurn, *, has_slot: bool) -> None:
        try:
            await active.turn.begin()
        except PerdureError as refusal:
            await self._refuse(active, refusal)
            return
        active.accepted.set_result(None)
        try:
            if not has_slot:
                raise Released
            await active.turn.carry_out()
        except Released:
            await self._release(active)

    async def _refuse(self, active: ActiveTurn, refusal: PerdureError) -> None:
        """A run whose input was refused was never accepted, unless its acceptance was told before."""
        run = active.turn.run
        if isinstance(refusal, Superseded):
            raise refusal
        if is_interruption(refusal) or isinstance(refusal, DeadlineExceeded):
            active.accepted.set_result(None)
            await self._release(active)
        elif not active.is_accepted:
            await self._turn_away(active, refusal)
        elif refusal.reason == PENDING_APPROVAL and run.on_busy not in (None, "reject"):
            await self.line.wait_for_approval(active.turn.claimed)
        else:
            await active.turn.fail(refusal)

    async def _turn_away(self, active: ActiveTurn, refusal: PerdureError) -> None:
        """The run goes, unless its input is stored all the same: then it has failed, and its conversation is free."""
        run = active.turn.run
        if is_unclear(refusal):
            await active.turn.fail(refusal)
            if not active.turn.lacks_input:
                active.accepted.set_result(None)
                return
        try:
            await self.services.runs.delete(run.organization_id, run.id)
        except asyncio.CancelledError:
            if active.stop != "released":  # it is refused, whoever has cancelled it or misses its row already
                active.accepted.set_exception(refusal)
            raise
        active.accepted.set_exception(refusal)

    async def _wind_up(self, active: ActiveTurn) -> None:
        """The task was cancelled: by a cancel of the run, as the run is another's now, or as the process stops."""
        if active.stop != "lost" and not active.accepted.done():
            active.accepted.set_result(None)  # it is stored: who sent it hears from its events what becomes of it
        if active.stop == "ended":
            try:
                await active.turn.conclude()
            except PerdureError as exc:
                log.warning("the end could not be told: %s", exc)
        elif active.stop == "released":
            await self._release(active)

    async def _give_back(self, active: ActiveTurn, exc: Exception) -> None:
        """Something that should not happen. The run fails, or goes back to the queue where it cannot even fail."""
        try:
            if isinstance(exc, PerdureError):
                await self._release(active)
            else:
                await active.turn.fail(Internal(f"{type(exc).__name__} in the turn; the log has the details."))
        except Exception:
            log.exception("the run stays without an owner until the sweep finds it")

    async def _release(self, active: ActiveTurn) -> None:
        active.recorder.discard()
        await self.event_log.flush()
        await self.services.runs.release(active.turn.run, active.recorder.last_seq)
        await self.bell.ring(QUEUE)
