"""The beginning of a turn: taking the conversation, storing the input, telling all that the loop needs."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from services.agents.conversations.errors import ConversationNotFound
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.turns.approvals import find_answers, find_message, match_answers, open_request
from services.agents.turns.errors import (
    AlreadyAnswered,
    AttemptSuperseded,
    ConversationBusy,
    NoPendingApproval,
    PendingApproval,
)
from services.agents.turns.memory_calls import SystemPrompts
from services.agents.turns.opening import Accepted, plan_opening
from services.agents.turns.pairing import repair
from services.agents.turns.reading import Decrypt, read_agent, read_environment, read_tools
from services.agents.turns.turn import Input, Outcome, Snapshot, Turn, TurnState
from services.agents.turns.turn_store import Hold, LockedConversation, TurnStore
from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument

log = logging.getLogger(__name__)

# Stands in for an answer that comes again after the run that brought it broke off. Clients look for "keep-alive".
KEEP_ALIVE = "This is an automatic keep-alive message. Go on from where you stopped."


class TurnStarter:
    """Begins turns, and hands running ones to a new owner."""

    def __init__(
        self,
        database: Database,
        store: TurnStore,
        messages: Messages,
        prompts: SystemPrompts,
        *,
        decrypt: Decrypt,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._prompts = prompts
        self._decrypt = decrypt
        self._now = now

    async def begin(
        self, organization_id: str, run_id: str, *, attempt: int, conversation_id: str, given: Input
    ) -> Snapshot | Outcome:
        """Takes the conversation and stores the input, or takes the run's turn over with a higher attempt.

        The same attempt again gets the same answer; a turn that has ended answers how. Four statements, whatever the
        length of the history; more for a conversation's first message, for answers that come again, and for an agent
        that forgets.
        Raises `ConversationNotFound`, `ConversationBusy`, `PendingApproval`, `NoPendingApproval`, `InvalidCallIds`,
        `WrongRequest`, `AlreadyAnswered`, `AttemptSuperseded`.
        """
        async with self._database.begin() as tx:
            conversation = await self._store.lock_conversation(tx, organization_id, conversation_id)
            if conversation is None:
                raise ConversationNotFound(conversation_id)
            hold = await self._store.read_hold(tx, organization_id, run_id, conversation_id)
            turn = hold.turn
            if turn is None:
                accepted = await self._accept(tx, organization_id, conversation_id, hold, given)
                if conversation.forgets and not given.answers:
                    await self._store.forget(tx, organization_id, conversation_id)
                turn = await self._open(tx, organization_id, run_id, attempt, conversation, accepted)
                conversation = replace(conversation, window_version=conversation.window_version + 1)
            elif turn.is_active:
                await self._resume(tx, organization_id, turn, attempt)
            else:
                return turn.outcome()
            return await self._snapshot(tx, organization_id, conversation, turn)

    async def _accept(
        self, tx: Transaction, organization_id: str, conversation_id: str, hold: Hold, given: Input
    ) -> Accepted:
        """The input, if the conversation takes it now."""
        if hold.active_run_id is not None:
            raise ConversationBusy(hold.active_run_id)
        if not given.answers:
            if hold.pending_id is not None:
                raise PendingApproval(hold.pending_id)
            return Accepted(given.messages)
        if hold.pending_id is None:
            if not await self._is_repeated(tx, organization_id, conversation_id, given):
                raise NoPendingApproval
            return Accepted([Message(role=ROLE_USER, parts=[Part(text=KEEP_ALIVE)]), *given.messages])
        try:
            answers = match_answers(hold.pending_id, hold.pending_call_ids, given)
        except InvalidArgument:
            await self._is_repeated(tx, organization_id, conversation_id, given)
            raise
        return Accepted(given.messages, answers, hold.pending_id)

    async def _is_repeated(self, tx: Transaction, organization_id: str, conversation_id: str, given: Input) -> bool:
        """Whether a run brought these answers before and then broke off. Raises `AlreadyAnswered` if it completed."""
        call_ids = [answer.call_id for answer in given.answers if answer.call_id]
        found = await self._store.find_answers(tx, organization_id, conversation_id, call_ids, given.request_id)
        for run_id, state in found.values():
            if state is TurnState.COMPLETED:
                raise AlreadyAnswered(run_id)
        return bool(found) and all(call_id in found for call_id in call_ids)

    async def _open(
        self,
        tx: Transaction,
        organization_id: str,
        run_id: str,
        attempt: int,
        conversation: LockedConversation,
        accepted: Accepted,
    ) -> Turn:
        is_new = conversation.next_position == 0
        opening = plan_opening(
            run_id,
            attempt,
            Origin(conversation.agent_id, conversation.id, self._now()),
            accepted,
            system=await self._prompts.compile_for(tx, conversation.agent_id, conversation.id) if is_new else None,
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
        request = find_message(stored, turn.request_id) if turn.request_id else None
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
        )
