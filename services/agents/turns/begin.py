"""The beginning of a turn: taking the conversation, storing the input, telling all that the loop needs."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from services.agents.conversations.errors import ConversationNotFound
from services.agents.memory.calls import SystemPrompts
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.turns.admission import Admission
from services.agents.turns.approvals import ApprovalState, find_answers, find_message, open_request
from services.agents.turns.errors import AttemptSuperseded
from services.agents.turns.opening import Accepted, plan_opening
from services.agents.turns.reading import Decrypt, read_agent, read_environment, read_tools
from services.agents.turns.turn import Input, Outcome, Snapshot, Turn
from services.agents.turns.turn_store import LockedConversation, TurnStore
from services.agents.turns.unanswered import UnansweredRequests
from services.common.database import Database, Transaction
from services.common.pairing import repair

log = logging.getLogger(__name__)


class TurnStarter:
    """Begins turns, and hands running ones to a new owner."""

    def __init__(
        self,
        database: Database,
        store: TurnStore,
        messages: Messages,
        prompts: SystemPrompts,
        admission: Admission,
        unanswered: UnansweredRequests,
        *,
        decrypt: Decrypt,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._prompts = prompts
        self._admission = admission
        self._unanswered = unanswered
        self._decrypt = decrypt
        self._now = now

    async def begin(
        self, organization_id: str, run_id: str, *, attempt: int, conversation_id: str, given: Input
    ) -> Snapshot | Outcome:
        """Takes the conversation and stores the input, or takes the run's turn over with a higher attempt.

        The same attempt again gets the same answer, but for `opened`; a turn that has ended answers how. Four
        statements, whatever the length of the history; more for a conversation's first message, for answers that come
        again, after a request that expired, and for an agent that forgets.
        Raises `ConversationNotFound`, `AttemptSuperseded`, and what `Admission.admit` raises.
        """
        async with self._database.begin() as tx:
            conversation = await self._store.lock_conversation(tx, organization_id, conversation_id)
            if conversation is None:
                raise ConversationNotFound(conversation_id)
            hold = await self._store.read_hold(tx, organization_id, run_id, conversation_id)
            turn = hold.turn
            if turn is None:
                if hold.pending_id is not None and hold.is_expired(self._now()):
                    conversation = await self._expire(tx, organization_id, conversation, hold.pending_id)
                    hold = replace(hold, pending_id=None)
                accepted = await self._admission.admit(tx, organization_id, conversation_id, hold, given)
                if conversation.forgets and not given.answers:
                    await self._store.forget(tx, organization_id, conversation_id)
                turn = await self._open(tx, organization_id, run_id, attempt, conversation, accepted)
                conversation = replace(conversation, window_version=conversation.window_version + 1)
            elif turn.is_active:
                await self._resume(tx, organization_id, turn, attempt)
            else:
                return turn.outcome()
            snapshot = await self._snapshot(tx, organization_id, conversation, turn)
            return replace(snapshot, opened=hold.turn is None)

    async def _expire(
        self, tx: Transaction, organization_id: str, conversation: LockedConversation, request_id: str
    ) -> LockedConversation:
        """The conversation, once the request that nobody answered in time is denied."""
        position = conversation.next_position
        await self._unanswered.deny(tx, organization_id, request_id, ApprovalState.EXPIRED, position=position)
        return replace(conversation, next_position=position + 1, window_version=conversation.window_version + 1)

    async def _open(
        self,
        tx: Transaction,
        organization_id: str,
        run_id: str,
        attempt: int,
        conversation: LockedConversation,
        accepted: Accepted,
    ) -> Turn:
        system = None
        if conversation.next_position == 0:
            system = await self._prompts.compile_for(tx, organization_id, conversation.agent_id, conversation.id)
        opening = plan_opening(
            run_id,
            attempt,
            Origin(conversation.agent_id, conversation.id, self._now()),
            accepted,
            system=system,
            next_position=conversation.next_position,
        )
        await self._store.begin(tx, organization_id, opening)
        return opening.turn

    async def _resume(self, tx: Transaction, organization_id: str, turn: Turn, attempt: int) -> None:
        if attempt < turn.attempt:
            raise AttemptSuperseded(turn.run_id, attempt=attempt, current=turn.attempt)
        if attempt > turn.attempt:
            await self._store.take_over(tx, organization_id, turn.run_id, attempt)

    async def _snapshot(
        self, tx: Transaction, organization_id: str, conversation: LockedConversation, turn: Turn
    ) -> Snapshot:
        stored = await self._messages.read_window(tx, organization_id, conversation.id)
        mended = repair(stored, turn.request_id)
        for problem in mended.problems:
            log.error("mended the window of %s: %s", conversation.id, problem)
        request = None
        if turn.request_id is not None:  # it may have left the window
            request = find_message(stored, turn.request_id) or await self._messages.get(
                tx, organization_id, turn.request_id
            )
        return Snapshot(
            agent=read_agent(conversation),
            window=mended.window,
            input=[message for message in stored if message.id in turn.input_ids],
            tools=read_tools(conversation),
            next_step=turn.next_step,
            next_step_id=turn.next_step_id,
            request=open_request(request, find_answers(stored, turn.run_id)) if request else None,
            environment=read_environment(conversation, self._decrypt),
            window_version=conversation.window_version,
            mended=mended.problems,
            last_step=turn.last_step,
        )
