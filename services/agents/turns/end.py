"""The one end of a turn."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.turns.approvals import ApprovalState, close_answered, find_answers
from services.agents.turns.errors import AttemptSuperseded, TurnNotFound
from services.agents.turns.turn import Outcome, Turn, TurnEnd, TurnState
from services.agents.turns.turn_store import LockedTurn, TurnStore, Writing
from services.agents.turns.unanswered import UnansweredRequests
from services.common.database import Database, Transaction


class TurnEnder:
    """Ends turns."""

    def __init__(
        self,
        database: Database,
        store: TurnStore,
        messages: Messages,
        unanswered: UnansweredRequests,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._unanswered = unanswered
        self._now = now

    async def end(
        self, organization_id: str, run_id: str, *, attempt: int, conversation_id: str, end: TurnEnd
    ) -> Outcome:
        """Ends a run's turn. The first end wins; later ones get its outcome.

        A turn that never began is remembered as ended. Attempt 0 ends whatever attempt has it. Cancelling a turn that
        waits for an approval denies its calls; the outcome stays what it was. What this call ends or denies is
        retracted, where `end` says so. Raises `AttemptSuperseded`.
        """
        async with self._database.begin() as tx:
            locked = await self._store.lock_turn(tx, organization_id, run_id)
            if locked is None:
                return await self._bury(tx, organization_id, run_id, attempt, conversation_id, end)
            return await self._end_locked(tx, organization_id, locked, attempt, end)

    async def _bury(
        self, tx: Transaction, organization_id: str, run_id: str, attempt: int, conversation_id: str, end: TurnEnd
    ) -> Outcome:
        """Ends a turn that has not begun, or has begun this moment, or has lost its conversation."""
        await self._store.lock_conversation(tx, organization_id, conversation_id)  # as a beginning does
        tombstone = _unbegun(run_id, attempt, conversation_id).ended(end, self._now())
        if await self._store.bury(tx, organization_id, tombstone):
            return tombstone.outcome()
        locked = await self._store.lock_turn(tx, organization_id, run_id)
        if locked is not None:
            return await self._end_locked(tx, organization_id, locked, attempt, end)
        turn = await self._store.get(tx, organization_id, run_id)
        if turn is None:
            raise TurnNotFound(run_id)
        return turn.outcome()

    async def _end_locked(
        self, tx: Transaction, organization_id: str, locked: LockedTurn, attempt: int, end: TurnEnd
    ) -> Outcome:
        turn = locked.turn
        if turn.is_active:
            if 0 < attempt < turn.attempt:
                raise AttemptSuperseded(turn.run_id, attempt=attempt, current=turn.attempt)
            return await self._end_active(tx, organization_id, locked, end)
        if end.state is TurnState.CANCELLED and turn.waits:
            return await self._cancel_request(tx, organization_id, locked, end)
        return turn.outcome()

    async def _end_active(self, tx: Transaction, organization_id: str, locked: LockedTurn, end: TurnEnd) -> Outcome:
        turn, now = locked.turn, self._now()
        placed = []
        if turn.request_id is not None:
            request = await self._messages.get(tx, organization_id, turn.request_id)
            window = await self._messages.read_window(tx, organization_id, turn.conversation_id)
            returns = close_answered(request, find_answers(window, turn.run_id))
            origin = Origin(turn.agent_id or "", turn.conversation_id, now, turn.run_id, request.step_id)
            placed = [(origin.returns(returns), turn.returns_position or 0)]
        ended = replace(turn, request_id=None, returns_position=None).ended(end, now)
        writing = Writing(placed, locked.next_position, locked.window_version + 1)
        await self._store.write(tx, organization_id, ended, writing, now)
        if end.retracts:
            await self._store.retract(tx, organization_id, ended)
        return replace(ended.outcome(), closing_messages=[message for message, _ in placed])

    async def _cancel_request(self, tx: Transaction, organization_id: str, locked: LockedTurn, end: TurnEnd) -> Outcome:
        """Denies the calls of the request that the turn ended with, if they still wait."""
        turn = locked.turn
        hold = await self._store.read_hold(tx, organization_id, turn.run_id, turn.conversation_id)
        if hold.pending_id is None or hold.pending_run_id != turn.run_id:
            return turn.outcome()
        denials = await self._unanswered.deny(
            tx, organization_id, hold.pending_id, ApprovalState.CANCELLED, position=locked.next_position
        )
        if end.retracts:
            await self._store.retract(tx, organization_id, turn)
        return replace(turn.outcome(), closing_messages=[denials])


def _unbegun(run_id: str, attempt: int, conversation_id: str) -> Turn:
    return Turn(
        run_id=run_id,
        agent_id=None,
        conversation_id=conversation_id,
        attempt=attempt,
        state=TurnState.ACTIVE,
        stop_reason=None,
        error="",
        next_step=1,
        next_step_id="",
        steps=0,
        input_ids=(),
        request_id=None,
        returns_position=None,
        begun_at=None,
        ended_at=None,
    )
