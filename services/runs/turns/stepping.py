"""The steps of a turn."""

import time
from collections.abc import Sequence
from dataclasses import replace

from perdure.conversation.v1.message_pb2 import ROLE_USER, ToolCall, ToolReturn, Usage
from services.common import telemetry
from services.common.calls import tool_calls
from services.common.ids import new_id
from services.runs.events.recorder import Recorder
from services.runs.records import Claimed, Draft, Step
from services.runs.turns.asking import Asker
from services.runs.turns.calling import ToolCaller
from services.runs.turns.heartbeats import asks_to_go_on, heartbeat_after
from services.runs.turns.history import Committed, Outcome, Snapshot, StepCommit, TurnEnd
from services.runs.turns.plan import CallPlan, error_return, in_order, plan_calls
from services.runs.turns.progress import Progress
from services.runs.turns.services import Services
from services.runs.turns.settled import SettledCall, settle

CUT_OFF = "Error: the call was not made, as the model's answer was cut off at its length limit."
_NOTHING = CallPlan((), (), ())


class Stepper:
    """Takes the steps of one attempt at a run."""

    def __init__(self, claimed: Claimed, services: Services, recorder: Recorder) -> None:
        self._run = claimed.run
        self._request = claimed.request
        self._services = services
        self._recorder = recorder
        self._asker = Asker(services.history, services.model, recorder)
        self._caller = ToolCaller(services.tools, services.ledger, recorder)

    async def answer(self, snapshot: Snapshot, progress: Progress) -> Outcome | None:
        """Carries out what an approval request asked for, now that it is answered."""
        telemetry.step_id.set(snapshot.pending_step_id)
        asked = progress.requested_calls(snapshot.pending_step_id)
        # New input hides the calls that came before the request, on which the rules look back.
        known = () if self._request.input else asked
        refusals = progress.rules.refusals(known, progress.settled, progress.tools)
        for call in snapshot.pending:
            if call.needs_approval:  # kept the rules when it was asked for
                refusals.pop(call.id, None)
        plan = plan_calls(snapshot.pending, progress.tools, refusals=refusals, approved=True)
        progress.note_tools(plan.executed)
        made = await self._caller.call(self._run, progress, plan.executed, snapshot.pending_step_id, None)
        returns = [*snapshot.known, *plan.refused, *made]
        step = StepCommit(
            number=progress.step,
            assistant=None,
            returns=in_order(asked, returns) if asked else returns,
            tool_message_id=new_id("message"),
            usage=Usage(),
            end=self._end_of_answer(snapshot, plan, progress),
        )
        committed = await self._services.history.commit(self._run, step)
        self._show(committed, progress)
        if self._request.input:
            progress.settled.clear()  # the turn begins with the input, which comes after these calls
        return committed.outcome

    async def take(self, progress: Progress) -> Outcome | None:
        """One step: the model's answer and what its calls gave. How the turn ended, if it did."""
        telemetry.step_id.set(progress.step_id)
        clock = time.monotonic_ns()
        draft = await self._recall(progress) or await self._asker.ask(self._run, self._request, progress)
        progress.rules.fill_in(tool_calls(draft.assistant), progress.settled)
        plan = _NOTHING if draft.finish == "length" else _plan(tool_calls(draft.assistant), progress)
        progress.note_tools(tool_calls(draft.assistant))
        end = self._end_after(draft, plan, progress)
        called = time.monotonic_ns()
        returns = await self._returns(draft, plan, progress)
        took_ns = time.monotonic_ns() - called if plan.executed and not plan.waiting else None
        step = replace(draft.step, stop_reason=end.stop_reason if end else None, tool_execution_ns=took_ns)
        commit = replace(self._commit_of(draft, returns, end, progress), figures=step)
        committed = await self._services.history.commit(self._run, commit)
        self._show(committed, progress)
        if committed.messages:
            step = replace(step, last_seq=self._recorder.last_seq, step_ns=time.monotonic_ns() - clock)
            await self._count(step, plan, progress, committed)
        return committed.outcome

    def _commit_of(
        self, draft: Draft, returns: Sequence[ToolReturn], end: TurnEnd | None, progress: Progress
    ) -> StepCommit:
        has_heartbeat = end is None and progress.agent.acts_by_calls
        return StepCommit(
            number=progress.step,
            assistant=draft.assistant,
            returns=returns,
            tool_message_id=draft.tool_message_id,
            usage=draft.step.usage,
            end=end,
            approval_expires_s=self._request.approval_expires_s,
            heartbeat=heartbeat_after(tool_calls(draft.assistant), returns) if has_heartbeat else None,
        )

    async def _recall(self, progress: Progress) -> Draft | None:
        """The model call of this step that an earlier attempt finished. It is told again, under a new message id."""
        if self._run.attempt == 1:
            return None
        draft = await self._services.ledger.draft(self._run, progress.step)
        if draft is not None:
            draft.assistant.id = new_id("message")
        return draft

    def _end_of_answer(self, snapshot: Snapshot, plan: CallPlan, progress: Progress) -> TurnEnd | None:
        made = [call.name for call in plan.accepted(snapshot.pending)]
        made += [call.name for call in settle(snapshot.known, progress.answers) if not call.is_denied]
        if self._request.input or not progress.rules.ends_turn(made):
            return None
        return TurnEnd("completed", "tool_rule")

    def _end_after(self, draft: Draft, plan: CallPlan, progress: Progress) -> TurnEnd | None:
        if draft.finish == "length":
            return TurnEnd("failed", "max_tokens_exceeded")
        if plan.waiting:
            return TurnEnd("completed", "requires_approval")
        calls = tool_calls(draft.assistant)
        if not calls and not progress.must_call:
            return TurnEnd("completed", "end_turn")
        if (end := _end_by_calls(plan, calls, progress)) is not None:
            return end
        answering = 1 if self._request.approvals else 0  # the first step of an answer is no model call
        if progress.step - answering >= self._request.max_steps:
            return TurnEnd("completed", "max_steps")
        return None

    async def _returns(self, draft: Draft, plan: CallPlan, progress: Progress) -> list[ToolReturn]:
        calls = tool_calls(draft.assistant)
        if draft.finish == "length":
            return [error_return(call, CUT_OFF) for call in calls]
        if plan.waiting:
            return []
        made = await self._caller.call(self._run, progress, plan.executed, progress.step_id, draft)
        return in_order(calls, [*plan.refused, *made])

    def _show(self, committed: Committed, progress: Progress) -> None:
        self._recorder.messages([message for message in committed.messages if message.role != ROLE_USER])
        self._recorder.discard()  # what was shown and is not stored: the turn had ended before
        if committed.outcome is None:
            progress.advance(committed)

    async def _count(self, step: Step, plan: CallPlan, progress: Progress, committed: Committed) -> None:
        """Steps that are in no ledger yet are written now, unless the end of the run does it in a moment."""
        progress.tally.count(step)
        if committed.outcome is None and not plan.executed:
            await self._services.ledger.save(self._run, [progress.tally.rows[-1]])


def _plan(calls: Sequence[ToolCall], progress: Progress) -> CallPlan:
    """What is to become of an answer's calls; those that wait for the client are marked so."""
    refusals = progress.rules.refusals(calls, progress.settled, progress.tools)
    plan = plan_calls(calls, progress.tools, refusals=refusals)
    waiting = {call.id for call in plan.waiting}
    for call in calls:
        call.needs_approval = call.id in waiting
    return plan


def _end_by_calls(plan: CallPlan, calls: Sequence[ToolCall], progress: Progress) -> TurnEnd | None:
    """The end that calls bring about: an exit does, and for older types any call that does not ask to go on."""
    names = [call.name for call in plan.accepted(calls)]
    wants_more = not progress.agent.acts_by_calls or asks_to_go_on(calls)
    if progress.rules.ends_turn(names):
        return TurnEnd("completed", "tool_rule" if wants_more else "end_turn")
    if wants_more or not calls or plan.refused or progress.rules.goes_on(names):
        return None
    if progress.rules.must_call([*progress.settled, [SettledCall(name) for name in names]], progress.tools):
        return None
    return TurnEnd("completed", "end_turn")
