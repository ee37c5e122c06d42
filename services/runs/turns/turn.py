"""The turn loop: from a run that was accepted to its end.

begin ─► [answer the pending request] ─► ask the model ─► make its calls ─► commit ─► … ─► store the end ─► last event
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from perdure.runs.v1.run_pb2 import RunEnded, RunError
from services.common.errors import PerdureError, Superseded
from services.contract.runs import RunStatus
from services.runs.ending import Ending
from services.runs.events.log import EventLog
from services.runs.events.numbers import last_number, unbroken
from services.runs.events.reconcile import answers_of, reconcile
from services.runs.events.recorder import Recorder
from services.runs.names import status_value, stop_reason_value
from services.runs.records import MAX_LOSSES, Claimed, Failure, Run, Step
from services.runs.turns.calling import RunTaken
from services.runs.turns.failures import OutOfTime, describe_failure, is_unclear
from services.runs.turns.history import Outcome, Snapshot, TurnEnd, TurnState
from services.runs.turns.progress import Progress
from services.runs.turns.services import Services
from services.runs.turns.settled import settled_steps
from services.runs.turns.stepping import Stepper
from services.runs.turns.tally import Tally, committed_steps

STATUSES: dict[TurnState, RunStatus] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "failed": "failed",
    "deleted": "cancelled",
}
CANCELLED = TurnEnd("cancelled", "cancelled")
# Asks for the outcome of a turn that has ended: the first end wins. Not a cancel, which would deny a pending approval.
TOO_LATE = TurnEnd("failed", "error", "The run had ended.")


class Released(Exception):
    """The process wants to stop, and the turn is at a step boundary."""


class Turn:
    """One attempt at a run: `begin`, then `carry_out`; `conclude` instead where another's hand ended the run."""

    def __init__(
        self, claimed: Claimed, services: Services, recorder: Recorder, event_log: EventLog, stopping: asyncio.Event
    ) -> None:
        self._claimed = claimed
        self._services = services
        self._recorder = recorder
        self._log = event_log
        self._stopping = stopping
        self._stepper = Stepper(claimed, services, recorder)
        self._started_ns = time.monotonic_ns()
        self._begun: Snapshot | Outcome | None = None
        self._progress: Progress | None = None
        self._tally = Tally()
        self._failure: Failure | None = None
        self.has_followers = False  # whether runs wait for the conversation, once this one has ended

    @property
    def claimed(self) -> Claimed:
        """The run as it was claimed, and its request."""
        return self._claimed

    @property
    def run(self) -> Run:
        """The run as it was claimed."""
        return self._claimed.run

    @property
    def lacks_input(self) -> bool:
        """Whether the turn failed before its input was stored."""
        return self._failure is not None and self._failure.before_input

    async def begin(self) -> None:
        """Takes the conversation. Raises what the agents service refuses with."""
        begun = await self._services.history.begin(self.run, self._claimed.request)
        if isinstance(begun, Snapshot):
            self._progress = Progress.begin(begun, self._claimed.request, self._tally)
            if not self.run.agent_id:
                await self._services.runs.set_agent(self.run, begun.agent.id)
                self._claimed = replace(self._claimed, run=replace(self.run, agent_id=begun.agent.id))
        self._begun = begun
        if self.run.attempt == 1:
            self._recorder.start()

    async def carry_out(self) -> None:
        """Carries the turn to its end. Raises `Superseded` where a newer attempt has it, `Released` when stopping."""
        try:
            outcome = await self._in_time()
        except Superseded:
            raise
        except RunTaken:
            outcome = await self._read_outcome()
        except PerdureError as error:
            outcome = await self._fail(error)
        await self._finish(outcome)

    async def conclude(self) -> None:
        """The run was ended by another's hand: adds what was stored but not told here, and tells the watchers."""
        if self._recorder.has_ended:
            return
        outcome = await self._end(TOO_LATE)
        await self._catch_up(outcome)
        await self._finish(outcome)

    async def fail(self, error: PerdureError) -> None:
        """Ends the run with an error that came from outside the loop."""
        await self._finish(await self._fail(error))

    async def _in_time(self) -> Outcome:
        """How the turn ends, within the time that its client gave it: what goes on after that is cancelled."""
        remaining_s = self.run.remaining_s
        if remaining_s is not None:
            remaining_s -= (time.monotonic_ns() - self._started_ns) / 1e9
        try:
            async with asyncio.timeout(remaining_s) as clock:
                return await self._to_the_end()
        except TimeoutError:
            if not clock.expired():
                raise
        outcome = await self._fail(OutOfTime())
        await self._catch_up(outcome)
        return outcome

    async def _catch_up(self, outcome: Outcome) -> None:
        """Tells what was stored but not told here, as a commit was broken off."""
        await self._resume(self._begun or outcome)
        self._recorder.messages(answers_of(self.run, await self._services.history.messages(self.run)))

    async def _to_the_end(self) -> Outcome:
        begun, progress = self._begun, self._progress
        assert begun is not None, "carry_out() comes after begin()"
        await self._resume(begun)
        if isinstance(begun, Outcome) or progress is None:
            assert isinstance(begun, Outcome), "a turn that runs has progress"
            return begun
        if self.run.losses >= MAX_LOSSES:
            raise PerdureError(f"The run was given up, as {self.run.losses} processes died while they carried it out.")
        outcome = await self._stepper.answer(begun, progress) if begun.pending or begun.known else None
        while outcome is None:
            if self._stopping.is_set():
                raise Released
            outcome = await self._stepper.take(progress)
        if outcome.state == "cancelled":  # by another's hand, which has closed the calls of the last step
            await self._catch_up(outcome)
        return outcome

    async def _resume(self, turn: Snapshot | Outcome) -> None:
        """Goes on where an earlier attempt stopped, unless it does: with its events, its numbers and its steps."""
        if self.run.attempt == 1 or self._recorder.last_seq:
            return
        logged = await self._log.take_over(self.run.id, self.run.attempt) or []
        steps = await self._services.ledger.of_run(self.run.organization_id, self.run.id)
        stored = await self._services.history.messages(self.run)
        told, noted = unbroken(logged), max([step.last_seq for step in steps], default=0)
        last_seq = max([last_number(event) for event in logged[-1:]], default=0)
        is_whole = 0 < noted <= last_seq if noted else bool(told)
        self._recorder.resume(
            reconcile(told, answers_of(self.run, stored)),
            last_seq=max(last_seq, noted, self.run.last_seq or 0),
            # Owners that let the run go have said how far they came; of those that died, the log must tell it.
            is_whole=not self.run.losses
            or self._has_opened
            or (is_whole and len(told) == len(logged) and not self.run.shown_unlogged),
        )
        if self._progress is not None:
            # Compaction may have taken the first of the calls out of the window.
            self._progress.settled = max(self._progress.settled, settled_steps(stored), key=len)
        await self._count_earlier(steps, turn)

    async def _count_earlier(self, noted: Sequence[Step], turn: Snapshot | Outcome) -> None:
        """Counts the steps of earlier attempts. One that the ledger lacks is noted: the turn keeps only the last."""
        for step in committed_steps(noted, turn):
            self._count(step)
        lacking = [row for row in self._tally.rows if row.id not in {step.id for step in noted}]
        if lacking and isinstance(turn, Snapshot):
            await self._services.ledger.save(self.run, lacking)

    def _count(self, step: Step) -> None:
        """Counts a step of which it may not be known how far its events go: they have just been told."""
        self._tally.count(replace(step, last_seq=step.last_seq or self._recorder.last_seq))

    @property
    def _has_opened(self) -> bool:
        """Whether earlier attempts have shown nothing, as none of them began."""
        return isinstance(self._begun, Snapshot) and self._begun.opened

    async def _read_outcome(self) -> Outcome:
        """How the turn ended by another's hand. Where it did not, a newer attempt has it, and is about to say so."""
        begun = await self._services.history.begin(self.run, self._claimed.request)
        if isinstance(begun, Snapshot):
            raise Superseded(f"Another process has {self.run.id}.")
        return begun

    async def _end(self, end: TurnEnd) -> Outcome:
        return await self._services.history.end(self.run, end, attempt=self.run.attempt)

    async def _fail(self, error: PerdureError) -> Outcome:
        failure = describe_failure(error)
        outcome = await self._end(TurnEnd("failed", failure.stop_reason, failure.detail))
        if outcome.state == "failed":
            self._failure = replace(failure, before_input=await self._has_lost_input(error))
        return outcome

    async def _has_lost_input(self, error: PerdureError) -> bool:
        """Whether there is input that is not stored, as the beginning failed with this error."""
        if self._begun is not None or not self._claimed.request.has_input:
            return False
        return not (is_unclear(error) and await self._services.history.messages(self.run))

    async def _finish(self, outcome: Outcome) -> None:
        """Stores the end, then tells the watchers: who sees the end finds it stored."""
        await self._resume(self._begun or outcome)
        self._recorder.discard()
        if outcome.last_step is not None:  # it was committed, but the answer did not come
            self._count(outcome.last_step)
        self._recorder.messages(outcome.closing)
        stored = await self._services.runs.finish(self.run, self._ending(outcome))
        if stored is None:
            raise Superseded(f"Another process has {self.run.id}.")
        self.has_followers = stored.has_followers
        self._recorder.end(describe_end(stored))

    def _ending(self, outcome: Outcome) -> Ending:
        tally = self._tally
        return Ending(
            status=STATUSES[outcome.state],
            stop_reason=outcome.stop_reason,
            failure=self._failure or _foreign_failure(outcome),
            last_seq=self._recorder.last_seq + 1,
            ttft_ns=self._first_answer_ns(),
            steps=[*tally.rows, *self._failed_step()],
            steps_committed=len(tally.rows),
            usage=tally.usage,
            context_tokens=tally.context_tokens,
            tools_used=tuple(self._progress.tools_used) if self._progress else (),
        )

    def _failed_step(self) -> list[Step]:
        """The row of the step that the run failed in, if it failed in one."""
        progress = self._progress
        if self._failure is None or progress is None or not progress.step_id or self._tally.has(progress.step_id):
            return []
        step = Step(
            id=progress.step_id,
            organization_id=self.run.organization_id,
            run_id=self.run.id,
            agent_id=progress.agent.id,
            number=progress.step,
            attempt=self.run.attempt,
            created_at=datetime.now(UTC),
            status="failed",
            stop_reason=self._failure.stop_reason,
            error_type=self._failure.type,
            error_detail=self._failure.detail,
        )
        return [step]

    def _first_answer_ns(self) -> int | None:
        first = self._recorder.first_answer_ns
        return first - self._started_ns if first is not None and self.run.attempt == 1 else None


def ending_by_other(outcome: Outcome, noted: Sequence[Step]) -> Ending:
    """The end of a run whose turn another than its owner has ended: the owner may not live to count its steps."""
    tally = Tally()
    for step in committed_steps(noted, outcome):
        tally.count(step)
    return Ending(
        status=STATUSES[outcome.state],
        stop_reason=outcome.stop_reason,
        steps=tally.rows,
        steps_committed=len(tally.rows),
        usage=tally.usage,
        context_tokens=tally.context_tokens,
    )


def describe_end(run: Run) -> RunEnded:
    """The last event of a run that has ended."""
    return RunEnded(
        status=status_value(run.status),
        stop_reason=stop_reason_value(run.stop_reason or "error"),
        usage=run.usage,
        steps=run.steps,
        context_tokens=run.context_tokens,
        error=describe_error(run.failure) if run.failure else None,
    )


def describe_error(failure: Failure) -> RunError:
    """What went wrong, as events tell it."""
    return RunError(
        type=failure.type,
        message=failure.message,
        detail=failure.detail,
        reason=failure.reason,
        http_status=failure.http_status,
    )


def _foreign_failure(outcome: Outcome) -> Failure | None:
    """What went wrong in a turn that another attempt failed. An answer cut off by length is no error."""
    if outcome.state != "failed" or outcome.stop_reason == "max_tokens_exceeded":
        return None
    detail = outcome.error or "The turn failed."
    return Failure("internal_error", "The turn failed in the server.", detail, "INTERNAL", 500, outcome.stop_reason)
