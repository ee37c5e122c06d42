"""Storing a step: what the model said and what its calls gave, together or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message, Part, ToolCall, ToolReturn
from services.agents.archives.embedding import Embedding, Vectors
from services.agents.memory.calls import MemoryCalls
from services.agents.memory.prompt import local_time
from services.agents.memory.workbench import CallingAgent
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.turns.call_order import in_call_order
from services.agents.turns.errors import AttemptSuperseded, StepOutOfOrder, TurnNotFound, UnpairedReturns
from services.agents.turns.turn import REQUIRES_APPROVAL, Committed, Heartbeat, Step, Turn
from services.agents.turns.turn_store import LockedTurn, TurnStore, Writing
from services.common.calls import tool_calls, tool_returns
from services.common.database import Database, Transaction
from services.common.ids import new_id


@dataclass(frozen=True)
class _Calls:
    """The calls that a step has returns for: its own, or those of the approval request that its turn answers."""

    calls: Sequence[ToolCall]
    step_id: str
    returns_position: int


class StepCommitter:
    """Stores steps of active turns. `approval_expires_s` is how long calls wait for the client; 0: for ever."""

    def __init__(
        self,
        database: Database,
        store: TurnStore,
        messages: Messages,
        memory: MemoryCalls,
        embedding: Embedding,
        *,
        approval_expires_s: int,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._memory = memory
        self._embedding = embedding
        self._approval_expires_s = approval_expires_s
        self._now = now

    async def commit(self, organization_id: str, run_id: str, attempt: int, step: Step) -> Committed:
        """Stores a step, and the end of the turn with it where it is the last.

        Repeated, it answers what the first did; where the turn had ended before, it stores nothing and answers how.
        Two statements; three with the returns of an approval request; those of memory tools come on top. A step whose
        memory tools need vectors is tried once in vain to learn which.
        Raises `TurnNotFound`, `AttemptSuperseded`, `StepOutOfOrder`, `UnpairedReturns`.
        """
        return await self._embedding.run(lambda vectors: self._commit(organization_id, run_id, attempt, step, vectors))

    async def _commit(self, organization_id: str, run_id: str, attempt: int, step: Step, vectors: Vectors) -> Committed:
        async with self._database.begin() as tx:
            locked = await self._store.lock_turn(tx, organization_id, run_id)
            if locked is None:
                return await self._answer_gone(tx, organization_id, run_id)
            turn = locked.turn
            if attempt != turn.attempt:
                raise AttemptSuperseded(run_id, attempt=attempt, current=turn.attempt)
            if step.number == turn.next_step - 1:
                return await self._repeat(tx, organization_id, locked, step)
            if not turn.is_active:
                return _answer(locked, ())
            if step.number != turn.next_step:
                raise StepOutOfOrder(run_id, step=step.number, expected=turn.next_step)
            return await self._store_step(tx, organization_id, locked, step, vectors)

    async def _answer_gone(self, tx: Transaction, organization_id: str, run_id: str) -> Committed:
        """How the turn ended whose conversation was deleted with its agent."""
        turn = await self._store.get(tx, organization_id, run_id)
        if turn is None:
            raise TurnNotFound(run_id)
        return Committed((), turn.next_step, "", 0, turn.outcome())

    async def _repeat(self, tx: Transaction, organization_id: str, locked: LockedTurn, step: Step) -> Committed:
        ids = [step.assistant.id, step.tool_message_id] if step.assistant else [step.tool_message_id]
        if step.heartbeat:
            ids.append(step.heartbeat.message_id)
        stored = await self._messages.get_in_order(tx, organization_id, ids)
        answer = _answer(locked, stored)
        if self._memory.changes_prompt([returned for message in stored for returned in tool_returns(message)]):
            window = await self._messages.read_window(tx, organization_id, locked.turn.conversation_id)
            return replace(answer, system=window[0])
        return answer

    async def _store_step(
        self, tx: Transaction, organization_id: str, locked: LockedTurn, step: Step, vectors: Vectors
    ) -> Committed:
        turn, now = locked.turn, self._now()
        found = await self._find_calls(tx, organization_id, locked, step)
        waiting = [call.id for call in found.calls if call.needs_approval] if step.assistant else []
        caller = CallingAgent(organization_id, turn.agent_id or "", turn.conversation_id)
        returns = [] if waiting else await self._complete(tx, caller, found.calls, step, vectors)
        if waiting and (step.returns or step.end is None or step.end.stop_reason != REQUIRES_APPROVAL):
            raise UnpairedReturns(
                f"The calls {waiting} wait for the client, so the step has no returns and is the last."
            )
        placed = _place(turn, step, found, returns, locked.next_position, now)
        written = LockedTurn(_after(turn, step, now), _end_of(placed, locked), locked.window_version + 1)
        writing = Writing(
            messages=placed,
            next_position=written.next_position,
            window_version=written.window_version,
            asking=placed[0][0] if waiting else None,
            asked_call_ids=waiting,
            asked_until=self._expiry(step, now),
            context_tokens=step.usage.total_tokens or None,
        )
        await self._store.write(tx, organization_id, written.turn, writing, now)
        answer = _answer(written, [message for message, _ in placed])
        if self._memory.changes_prompt(returns):
            return replace(answer, system=await self._memory.renew_prompt(tx, caller))
        return answer

    def _expiry(self, step: Step, now: datetime) -> datetime | None:
        """When calls that wait from now on are denied; None: never."""
        expires_s = step.approval_expires_s or self._approval_expires_s
        return now + timedelta(seconds=expires_s) if expires_s else None

    async def _find_calls(self, tx: Transaction, organization_id: str, locked: LockedTurn, step: Step) -> _Calls:
        turn = locked.turn
        if (turn.request_id is None) != (step.assistant is not None):
            raise UnpairedReturns(
                "A step has an answer of the model, but for the returns of an approval request, which come first."
            )
        if step.assistant is not None:
            return _Calls(tool_calls(step.assistant), turn.next_step_id, locked.next_position + 1)
        request = await self._messages.get(tx, organization_id, turn.request_id or "")
        return _Calls(tool_calls(request), request.step_id, turn.returns_position or 0)

    async def _complete(
        self, tx: Transaction, caller: CallingAgent, calls: Sequence[ToolCall], step: Step, vectors: Vectors
    ) -> list[ToolReturn]:
        """Returns for all calls: those without one are of memory tools, and run now."""
        known = {returned.call_id for returned in step.returns}
        left = [call for call in calls if call.id not in known]
        ran = await self._memory.run(tx, caller, left, vectors)
        return in_call_order(calls, [*step.returns, *ran])


def _place(
    turn: Turn, step: Step, found: _Calls, returns: Sequence[ToolReturn], next_position: int, now: datetime
) -> list[tuple[Message, int]]:
    """The messages of a step at their positions."""
    origin = Origin(turn.agent_id or "", turn.conversation_id, now, turn.run_id, found.step_id)
    placed = []
    if step.assistant is not None:
        said = origin.stamp(step.assistant)
        said.role = ROLE_ASSISTANT
        placed.append((said, next_position))
    if returns:
        placed.append((origin.returns(returns, step.tool_message_id), found.returns_position))
    if step.heartbeat:
        placed.append((_write_heartbeat(step.heartbeat, origin), next_position + len(placed)))
    return placed


def _write_heartbeat(heartbeat: Heartbeat, origin: Origin) -> Message:
    """As clients know it: a message of the user's role without an otid, whose text is JSON."""
    told = {"type": "heartbeat", "reason": heartbeat.reason, "time": local_time(origin.made_at, "UTC")}
    part = Part(text=orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    return origin.stamp(Message(id=heartbeat.message_id, role=ROLE_USER, parts=[part]))


def _end_of(placed: Sequence[tuple[Message, int]], locked: LockedTurn) -> int:
    """The position after the last message."""
    return max([locked.next_position, *(position + 1 for _, position in placed)])


def _after(turn: Turn, step: Step, now: datetime) -> Turn:
    """The turn with the step stored. The returns of an approval request leave the next step its id."""
    answered = step.assistant is not None
    moved = replace(
        turn,
        next_step=turn.next_step + 1,
        next_step_id=new_id("step") if answered else turn.next_step_id,
        steps=turn.steps + answered,
        last_step=step.figures if answered else turn.last_step,
        request_id=None,
        returns_position=None,
    )
    return moved.ended(step.end, now) if step.end else moved


def _answer(locked: LockedTurn, messages: Sequence[Message]) -> Committed:
    turn = locked.turn
    if turn.is_active:
        return Committed(messages, turn.next_step, turn.next_step_id, locked.window_version)
    return Committed(messages, turn.next_step, "", locked.window_version, turn.outcome())
