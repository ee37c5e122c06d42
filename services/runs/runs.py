"""Runs, for both faces of the service.

`started = await runs.start(request)` accepts a request, or raises what refuses it; then
`async for batch in runs.watch(organization_id, started.run.id, 0)` gives its events to the last one, `ended`. The
watcher may go away at any time. A client that waits for the answer does both within `async with runs.send(request)`;
one that comes for events later gets them from `follow`. When a whole answer was sent, `mark_delivered` says so.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace

from services.common.conversation_busy import ConversationBusy
from services.common.errors import Conflict, NotFound, PerdureError, Unprocessable
from services.common.ids import new_id
from services.runs.callbacks.urls import check_url
from services.runs.children.family import Family
from services.runs.limits import Limits, Overloaded
from services.runs.line import PENDING_APPROVAL, Interrupted, Line
from services.runs.records import ACTIVE_STATUSES, Claimed, Run, RunFilter, RunRequest, Started, Step, StepFilter
from services.runs.recovery.active_turns import ActiveTurns
from services.runs.recovery.bell import QUEUE, Bell
from services.runs.recovery.heartbeat import ReplicaHeartbeat
from services.runs.request_size import check_size
from services.runs.stores import Refusals, RunStore, StepStore
from services.runs.turns.history import History
from services.runs.turns.model import Model
from services.runs.turns.turn import CANCELLED, ending_by_other
from services.runs.watching import Batches, RunNotFound, Watching

TRIES = 10  # times that a run is stored anew when what stood in its way ended in that moment
ALREADY_ANSWERED = "ALREADY_ANSWERED"  # the reason with which the agents service names the run that gave the answers
LEAST_S = 0.001  # seconds that a client waits who has given up already; 0 would be for ever
PAUSE_S = 0.1  # seconds before it is tried again where what stands in its way should go in a moment


class NothingSent(Unprocessable):
    """A request without anything to begin a turn with."""

    def __init__(self) -> None:
        problem = "A run needs at least one message, or an answer to an approval request."
        super().__init__([{"type": "missing", "loc": ["body", "messages"], "msg": problem}])


class StepNotFound(NotFound):
    """There is no such step."""


@dataclass(frozen=True)
class Runs:
    """Starts, follows, cancels and reads runs. `owner` is this process."""

    store: RunStore
    steps: StepStore
    family: Family
    history: History
    model: Model
    turns: ActiveTurns
    heartbeat: ReplicaHeartbeat
    watching: Watching
    bell: Bell
    line: Line
    refusals: Refusals
    owner: str
    limits: Limits
    allow_private_callbacks: bool

    async def start(self, request: RunRequest) -> Started:
        """Accepts a request: its run is stored, and its input is in the history, or waits in the conversation's line.

        A repeated request gets the run of the first. Raises `NothingSent`, `Unprocessable` where too much is
        sent, `BadCallbackUrl`, `KeyReused`, `Overloaded`, `ConversationBusy`, `LineTooLong`, what the agents service
        refuses with and, for another model that nobody has, what the router does; then there is no run.
        """
        with self._noting_refusal(request):
            return await self._start(request)

    async def _start(self, request: RunRequest) -> Started:
        if not request.has_input:
            raise NothingSent
        check_size(request)
        if request.callback_url:
            check_url(request.callback_url, allow_private=self.allow_private_callbacks)
        earlier = await self.store.find_repeated(request)
        if earlier is not None and not _is_tried_again(earlier, request):
            return Started(earlier, attached=True)
        await self._check_room()
        if request.override_model:
            await self.model.check(request.organization_id, request.override_model)
        is_known = earlier is not None and _took_input(earlier)
        brought = replace(request, input=(), approvals=()) if is_known else request
        return await self._accept(brought, sent=request, earlier=earlier)

    @asynccontextmanager
    async def send(self, request: RunRequest, *, timeout_s: float | None = None) -> AsyncIterator[Started]:
        """Accepts a request as `start` does; within the block its client gets the answer, which was sent at its end.

        `timeout_s`: the client waits no longer, which bounds the run, unless it runs in the background. Raises what
        `start` does, and `TooManyStreams`.
        """
        if timeout_s is not None and not request.background:
            waits_s = max(timeout_s, LEAST_S)
            request = replace(request, timeout_s=min(waits_s, request.timeout_s or waits_s))
        async with AsyncExitStack() as place:
            with self._noting_refusal(request):
                place.enter_context(self.watching.streams.held())
                started = await self._start(request)
            yield started
        await self.mark_delivered(request.organization_id, started.run.id)

    def watch(self, organization_id: str, run_id: str, after_seq: int) -> Batches:
        """Batches of events above a number, as they come, on any replica. The last event always comes.

        Of an event that stands for several numbers, some of which are above, the whole is given. Raises `RunNotFound`.
        """
        return self.watching.watch(organization_id, run_id, after_seq)

    async def follow(self, organization_id: str, run_id: str, after_seq: int, *, owned: bool = False) -> Batches:
        """The same for a client of this process. Raises `RunNotFound` and `TooManyStreams`.

        `owned`: for another replica, which has let its client in: as long as this process owns the run, or nothing.
        """
        watch = self.watching.watch_owned if owned else self.watching.watch
        with nullcontext() if owned else self.watching.streams.held():
            async with aclosing(watch(organization_id, run_id, after_seq)) as batches:
                async for batch in batches:
                    yield batch

    def watch_whole(self, organization_id: str, run_id: str) -> Batches:
        """One batch when the run has ended: its answer as whole messages, and the last event. Raises `RunNotFound`."""
        return self.watching.watch_whole(organization_id, run_id)

    async def get(self, organization_id: str, run_id: str) -> Run:
        """One run. Raises `RunNotFound`."""
        run = await self.store.get(organization_id, run_id)
        if run is None:
            raise RunNotFound(f"NOT_FOUND: There is no run {run_id}.")
        return run

    async def list(self, organization_id: str, wanted: RunFilter) -> Sequence[Run]:
        """Runs in the order of their creation. Raises `RunNotFound` for a cursor that does not exist."""
        for cursor in filter(None, (wanted.before, wanted.after)):
            await self.get(organization_id, cursor)
        return await self.store.list(organization_id, wanted)

    async def find_active(self, organization_id: str, conversation_id: str) -> Run | None:
        """The run that a conversation is busy with."""
        return await self.store.find_active(organization_id, conversation_id)

    async def find_by_otid(self, organization_id: str, conversation_id: str, otid: str) -> Run | None:
        """The conversation's latest run whose input had this otid."""
        return await self.store.find_by_otid(organization_id, conversation_id, otid)

    async def cancel(self, organization_id: str, run_id: str) -> Run:
        """Stops a run and those that its tool calls started; as it ended. One that has ended stays as it is.

        What it still asks leave for is denied. Raises `RunNotFound`.
        """
        return await self._stop(organization_id, run_id, rolls_back=False)

    async def interrupt(self, one: Interrupted) -> Run:
        """Stops a run as another wants its conversation."""
        return await self._stop(one.organization_id, one.run_id, rolls_back=one.rolls_back)

    async def _stop(self, organization_id: str, run_id: str, *, rolls_back: bool) -> Run:
        left = await self.line.store.leave(organization_id, RunFilter(ids=(run_id,)))
        run = left[0] if left else await self.get(organization_id, run_id)
        is_over = run.is_final and run.stop_reason != "requires_approval"
        ended = run if is_over else await self._end(run, rolls_back=rolls_back)
        if ended.status == "cancelled":  # also where it was before: whoever cancelled it may have died over it
            await self._cancel_each(organization_id, await self.family.active_children(organization_id, run_id))
        return ended

    async def _end(self, run: Run, *, rolls_back: bool) -> Run:
        outcome = await self.history.end(run, CANCELLED, attempt=0, out_of_context=rolls_back)
        ending = ending_by_other(outcome, await self.steps.of_run(run.organization_id, run.id))
        ended = await self.store.end(run.organization_id, run.id, ending)
        if ending.status == "cancelled":
            self.turns.stop([run.id], "ended")
            await self.bell.ring(run.id)
        if ended is not None and ended.has_followers:
            await self.bell.ring(QUEUE)
        return ended or await self.get(run.organization_id, run.id)

    async def cancel_agent(self, organization_id: str, agent_id: str) -> Sequence[str]:
        """Stops the active and waiting runs of an agent, and denies what waits for approval. Their ids."""
        return await self._cancel_all(organization_id, RunFilter(agent_ids=(agent_id,)))

    async def cancel_conversation(self, organization_id: str, conversation_id: str) -> Sequence[str]:
        """Stops the active and waiting runs of a conversation, and denies what waits for approval. Their ids."""
        return await self._cancel_all(organization_id, RunFilter(conversation_id=conversation_id))

    async def delete(self, organization_id: str, run_id: str) -> None:
        """Ends a run as `cancel` does, and forgets it and its steps; its messages stay. Raises `RunNotFound`."""
        await self.cancel(organization_id, run_id)
        await self.store.delete(organization_id, run_id)

    async def mark_delivered(self, organization_id: str, run_id: str) -> None:
        """A client was sent the whole answer: soon an equal request is a new one. Noted with the next heartbeat."""
        self.heartbeat.delivered.add((organization_id, run_id))

    async def list_steps(self, organization_id: str, wanted: StepFilter) -> Sequence[Step]:
        """Steps in the order of their creation. Raises `StepNotFound` for a cursor that does not exist."""
        for cursor in filter(None, (wanted.before, wanted.after)):
            await self.get_step(organization_id, cursor)
        return await self.steps.list(organization_id, wanted)

    async def get_step(self, organization_id: str, step_id: str) -> Step:
        """One step. Raises `StepNotFound`."""
        step = await self.steps.get(organization_id, step_id)
        if step is None:
            raise StepNotFound(f"NOT_FOUND: There is no step {step_id}.")
        return step

    @contextmanager
    def _noting_refusal(self, request: RunRequest) -> Iterator[None]:
        """A first send that is refused is noted, so that its retry is not taken for that of an equal one before it."""
        try:
            yield
        except PerdureError as refusal:
            if not request.retry_count and _is_sent_again(refusal):
                self.refusals.add(request)
            raise

    async def _accept(self, brought: RunRequest, *, sent: RunRequest, earlier: Run | None) -> Started:
        """Begins what was brought, or lets it wait; `sent` is the request as its client sent it."""
        for _ in range(TRIES):
            claimed = await self._insert(brought, sent=sent, known=earlier)
            if claimed is not None:
                return await self._begin_or_wait(claimed, sent=sent, earlier=earlier)
            earlier = await self.store.find_repeated(sent)
            if earlier is not None and not _is_tried_again(earlier, sent):
                return Started(earlier, attached=True)
            active = await self.find_active(sent.organization_id, sent.conversation_id)
            if active is not None and not _gives_way(active, sent):
                return await self.line.join(brought, ConversationBusy(active.id), sent=sent, but=_id_of(earlier))
            await asyncio.sleep(PAUSE_S)
        raise Conflict("CONFLICT: The conversation is too busy.", should_retry=False)

    async def _check_room(self) -> None:
        """Raises `Overloaded` where this replica is full and enough runs wait for a free one."""
        if (
            self.turns.free_slots == 0
            and await self.store.count_waiting(self.limits.waiting_runs) >= self.limits.waiting_runs
        ):
            raise Overloaded

    async def _insert(self, request: RunRequest, *, sent: RunRequest, known: Run | None) -> Claimed | None:
        run_id = new_id("run")
        self.turns.reserve(run_id)
        try:
            run = await self.store.insert(run_id, request, self.owner, sent=sent, known=known)
        except BaseException:
            self.turns.unreserve(run_id)
            raise
        if run is None:
            self.turns.unreserve(run_id)
            return None
        return Claimed(run, request)

    async def _begin_or_wait(self, claimed: Claimed, *, sent: RunRequest, earlier: Run | None) -> Started:
        """Begins the turn; where an approval is pending, what was sent may wait for its answer."""
        try:
            return await self._begin(claimed)
        except Conflict as refusal:
            if refusal.reason != PENDING_APPROVAL:
                raise
            return await self.line.join(claimed.request, refusal, sent=sent, but=_id_of(earlier))

    async def _begin(self, claimed: Claimed) -> Started:
        """Begins the turn; a caller that goes away meanwhile does not stop it.

        Answers to an approval request that a completed run brought before get that run.
        """
        active = self.turns.start(claimed, is_accepted=False)
        try:
            await asyncio.shield(active.accepted)
        except Conflict as refusal:
            if refusal.reason != ALREADY_ANSWERED:
                raise
            answering = await self.store.get(claimed.run.organization_id, refusal.metadata["run_id"])
            if answering is None:
                raise
            return Started(answering, attached=True)
        return Started(active.turn.run, attached=False)

    async def _cancel_all(self, organization_id: str, where: RunFilter) -> Sequence[str]:
        left = [run.id for run in await self.line.store.leave(organization_id, where)]
        ended: list[Run] = []
        while active := await self.store.list(organization_id, replace(where, statuses=ACTIVE_STATUSES)):  # a page
            ended += await self._cancel_each(organization_id, [run.id for run in active])
        stopped = [run.id for run in ended if run.status == "cancelled" or run.stop_reason == "requires_approval"]
        return [*stopped, *left, *await self.line.denial.deny(organization_id, where)]

    async def _cancel_each(self, organization_id: str, run_ids: Sequence[str]) -> Sequence[Run]:
        """Stops runs, but for those that were refused in the meantime and so never were."""
        cancelled: list[Run] = []
        for run_id in run_ids:
            with suppress(RunNotFound):
                cancelled.append(await self.cancel(organization_id, run_id))
        return cancelled


def _is_sent_again(refusal: PerdureError) -> bool:
    """Whether clients repeat a request that was refused so."""
    return refusal.should_retry is not False and (refusal.http_status in (408, 409, 429) or refusal.http_status >= 500)


def _is_tried_again(earlier: Run, request: RunRequest) -> bool:
    """Whether a client's retry is to run anew, as the first run failed. Named requests get what the first one got.

    An answer that was cut off at its length limit is none of these: it is an answer.
    """
    return earlier.failure is not None and not request.request_id and not (request.background and request.otid)


def _gives_way(active: Run, request: RunRequest) -> bool:
    """Whether a run may only be looking if the approval was answered that it waits for, and this request answers it."""
    return bool(request.approvals) and active.on_busy is not None


def _took_input(failed: Run) -> bool:
    """Whether the input of a run that failed is in the history."""
    return failed.failure is not None and not failed.failure.before_input


def _id_of(run: Run | None) -> str:
    return run.id if run else ""
