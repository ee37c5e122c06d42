"""The line of a conversation: runs that wait until it is free, in one order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.common.errors import Conflict, ResourceExhausted
from services.common.ids import new_id
from services.contract.on_busy import OnBusy
from services.runs.records import Claimed, Failure, Run, RunFilter, RunRequest, Started
from services.runs.recovery.bell import QUEUE, Bell
from services.runs.turns.denial import Denial

RETRY_AFTER_S = 5.0  # seconds; a turn of a few steps is over by then
MAX_PAUSE_S = 10.0  # seconds between two looks whether an approval was answered
PENDING_APPROVAL = "PENDING_APPROVAL"  # the reason with which the agents service refuses
LATE = Failure(
    type="deadline_exceeded",
    message="The time that its client gave the run was over before it had begun.",
    detail="The run waited for its conversation until its deadline. Nothing of it was stored in the conversation.",
    reason="DEADLINE_EXCEEDED",
    http_status=504,
    before_input=True,
)


class LineTooLong(ResourceExhausted):
    """Too many runs wait for the conversation."""

    reason = "LINE_TOO_LONG"

    def __init__(self, longest: int) -> None:
        super().__init__(
            f"{longest} requests wait for this conversation, as many as may. Try again when some have been answered.",
            retry_after_s=RETRY_AFTER_S,
        )


@dataclass(frozen=True)
class Interrupted:
    """A run that has a conversation for which an interrupting run waits."""

    organization_id: str
    run_id: str
    rolls_back: bool


class LineStore(Protocol):
    """Where lines are kept."""

    async def join(
        self, run_id: str, request: RunRequest, *, sent: RunRequest, longest: int, but: str = ""
    ) -> tuple[Run, bool] | None:
        """A run at the end of the line, and whether it was there before; None where the line is too long.

        `sent` is the request as its client sent it, by which a repeated one is known; the run `but` does not count as
        an earlier sending.
        """

    async def put_back(self, run: Run, pause_s: float) -> None:
        """A run of ours, before the others of its line again; it is not taken before the pause is over."""

    async def leave(self, organization_id: str, where: RunFilter) -> Sequence[Run]:
        """Cancels the runs that wait and match a filter by id, agent or conversation: one of these at least."""


class Conversations(Protocol):
    """What conversations say about themselves."""

    async def on_busy(self, organization_id: str, conversation_id: str) -> OnBusy | None:
        """What to do with a send while it is busy; None: it does not say."""


@dataclass(frozen=True)
class Line:
    """What becomes of requests that find their conversation busy. `default` is the server's policy."""

    store: LineStore
    conversations: Conversations
    denial: Denial
    bell: Bell
    default: OnBusy
    longest: int

    async def join(self, request: RunRequest, refusal: Conflict, *, sent: RunRequest, but: str = "") -> Started:
        """Lets the request wait, if it is to. Raises the refusal if not, and `LineTooLong`."""
        policy = await self._policy(sent)
        if policy == "reject":
            raise refusal
        waiting = replace(request, on_busy=policy)
        joined = await self.store.join(new_id("run"), waiting, sent=sent, longest=self.longest, but=but)
        if joined is None:
            raise LineTooLong(self.longest)
        await self.bell.ring(QUEUE)
        run, was_there = joined
        return Started(run, attached=was_there)

    async def wait_for_approval(self, claimed: Claimed) -> None:
        """Back into the line, as the conversation waits for an approval. A run that interrupts denies it first."""
        run, policy = claimed.run, claimed.request.on_busy
        denied: Sequence[str] = ()
        if policy != "enqueue":
            where = RunFilter(conversation_id=run.conversation_id)
            denied = await self.denial.deny(run.organization_id, where, rolls_back=policy == "rollback")
        await self.store.put_back(run, 0 if denied else _pause_s(run))
        await self.bell.ring(QUEUE)

    async def _policy(self, request: RunRequest) -> OnBusy:
        if request.on_busy is not None:
            return request.on_busy
        if request.parent_run_id:
            return "reject"  # its sender waits in its own way
        found = await self.conversations.on_busy(request.organization_id, request.conversation_id)
        return found or self.default


def _pause_s(run: Run) -> float:
    """The longer it has waited, the more seldom."""
    return min(1.0 + run.attempt, MAX_PAUSE_S)
