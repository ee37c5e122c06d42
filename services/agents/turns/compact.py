"""Compaction: making room in the context window of a running turn."""

from collections.abc import Sequence
from dataclasses import dataclass

from perdure.conversation.v1.message_pb2 import Message
from services.agents.messages.messages import Messages
from services.agents.turns.errors import AttemptSuperseded, NothingToRemove, TurnEnded, TurnNotFound
from services.agents.turns.shrinking import Keeping, WindowCompactor, plan
from services.agents.turns.turn import Turn
from services.agents.turns.turn_store import LockedConversation, TurnStore
from services.common.database import Database, Transaction
from services.common.pairing import repair


@dataclass(frozen=True)
class Compacted:
    """A window after its compaction, oldest first. `summary` is None when messages were only cut."""

    window: Sequence[Message]
    window_version: int
    summary: Message | None = None


class TurnCompactor:
    """Compacts the windows of active turns."""

    def __init__(self, database: Database, store: TurnStore, messages: Messages, compactor: WindowCompactor) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._compactor = compactor

    async def compact(
        self, organization_id: str, run_id: str, *, attempt: int, window_version: int, target_tokens: int
    ) -> Compacted:
        """Replaces the oldest steps by a summary; without one where no model writes it.

        `target_tokens` 0: what the agent's settings say. A window that has changed since `window_version` is answered
        as it is. No transaction is open while the model writes.
        Raises `TurnNotFound`, `AttemptSuperseded`, `TurnEnded`, `NothingToRemove`.
        """
        async with self._database.begin() as tx:
            turn, conversation = await self._lock(tx, organization_id, run_id, attempt)
            if conversation.window_version != window_version:
                return await self._present(tx, organization_id, turn, conversation.window_version)
            keeping = Keeping(frozenset({*turn.input_ids, turn.request_id or ""}), run_id)
            situation = await self._compactor.look(tx, organization_id, conversation, keeping)
        chars = situation.chars(target_tokens) if target_tokens else situation.room
        cut = plan(situation, chars)
        if cut.is_empty:
            raise NothingToRemove(turn.conversation_id)
        text = await self._compactor.summarise(situation, cut.evicted) if cut.worth_a_summary else None
        change = self._compactor.change(situation, cut, text, chars)
        async with self._database.begin() as tx:
            turn, conversation = await self._lock(tx, organization_id, run_id, attempt)
            if conversation.window_version != window_version:
                return await self._present(tx, organization_id, turn, conversation.window_version)
            await self._store.compact(tx, organization_id, conversation, change)
            return await self._present(tx, organization_id, turn, window_version + 1, change.summary)

    async def _lock(
        self, tx: Transaction, organization_id: str, run_id: str, attempt: int
    ) -> tuple[Turn, LockedConversation]:
        locked = await self._store.lock_turn(tx, organization_id, run_id)
        if locked is None:
            known = await self._store.get(tx, organization_id, run_id) is not None
            raise TurnEnded(run_id) if known else TurnNotFound(run_id)
        turn = locked.turn
        if attempt != turn.attempt:
            raise AttemptSuperseded(run_id, attempt=attempt, current=turn.attempt)
        if not turn.is_active:
            raise TurnEnded(run_id)
        conversation = await self._store.lock_conversation(tx, organization_id, turn.conversation_id)
        assert conversation is not None  # the turn's lock has just found it
        return turn, conversation

    async def _present(
        self, tx: Transaction, organization_id: str, turn: Turn, version: int, summary: Message | None = None
    ) -> Compacted:
        window = await self._messages.read_window(tx, organization_id, turn.conversation_id)
        return Compacted(repair(window, turn.request_id).window, version, summary)
