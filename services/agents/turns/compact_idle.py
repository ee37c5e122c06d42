"""Compaction on request, of a conversation in which no turn is active."""

from perdure.conversation.v1.message_pb2 import ROLE_SUMMARY
from services.agents.agents.compaction import complete_settings
from services.agents.conversations.errors import ConversationNotFound
from services.agents.turns.errors import ConversationChanged, NoSummary, NothingToCompact
from services.agents.turns.shrinking import Keeping, Situation, WindowCompactor, plan
from services.agents.turns.turn_store import LockedConversation, TurnStore
from services.common.caller import Caller
from services.common.conversation_busy import ConversationBusy
from services.common.database import Database, Transaction
from services.contract.compaction import CompactionAnswer, CompactionSettings
from services.contract.model_configs import LlmConfig


class ConversationCompactor:
    """Compacts the windows of idle conversations. An agent's own history goes by the agent's id."""

    def __init__(self, database: Database, store: TurnStore, compactor: WindowCompactor) -> None:
        self._database = database
        self._store = store
        self._compactor = compactor

    async def compact(
        self, caller: Caller, conversation_id: str, sent: CompactionSettings | None = None
    ) -> CompactionAnswer:
        """Replaces the oldest messages by a summary, under these settings or else the agent's.

        An approval request that waits stays in the window. No transaction is open while the model writes; nothing
        changes when it writes nothing. Raises `ConversationNotFound`, `ConversationBusy`, `ConversationChanged`,
        `NothingToCompact`, `NoSummary`.
        """
        async with self._database.begin() as tx:
            conversation, keeping = await self._lock(tx, caller.organization_id, conversation_id)
            settings = _complete(sent, conversation) if sent else None
            situation = await self._compactor.look(tx, caller.organization_id, conversation, keeping, settings)
        chars = situation.room
        cut = plan(situation, chars)
        if not cut.worth_a_summary:
            return _unchanged(situation)
        text = await self._compactor.summarise(situation, cut.evicted)
        if text is None:
            raise NoSummary(conversation_id)
        change = self._compactor.change(situation, cut, text, chars)
        async with self._database.begin() as tx:
            again, _ = await self._lock(tx, caller.organization_id, conversation_id)
            if again.window_version != conversation.window_version:
                raise ConversationChanged(conversation_id)
            await self._store.compact(tx, caller.organization_id, again, change)
        before = len(situation.window)
        return CompactionAnswer(
            summary=change.summary.parts[0].text if change.summary else "",
            num_messages_before=before,
            num_messages_after=before - len(change.evicted_ranks) + 1,
        )

    async def _lock(
        self, tx: Transaction, organization_id: str, conversation_id: str
    ) -> tuple[LockedConversation, Keeping]:
        conversation = await self._store.lock_conversation(tx, organization_id, conversation_id)
        if conversation is None:
            raise ConversationNotFound(conversation_id)
        hold = await self._store.read_hold(tx, organization_id, "", conversation_id)
        if hold.active_run_id is not None:
            raise ConversationBusy(hold.active_run_id)
        return conversation, Keeping(frozenset({hold.pending_id} if hold.pending_id else ()))


def _complete(sent: CompactionSettings, conversation: LockedConversation) -> CompactionSettings:
    return complete_settings(sent, LlmConfig.model_validate(conversation.own_llm_config or conversation.llm_config))


def _unchanged(situation: Situation) -> CompactionAnswer:
    """The answer where a summary is all that could go. Raises `NothingToCompact` where there is not even one."""
    size = len(situation.window)
    summaries = [message for message in situation.window if message.role == ROLE_SUMMARY]
    if not summaries:
        raise NothingToCompact(situation.conversation_id)
    return CompactionAnswer(summary=summaries[0].parts[0].text, num_messages_before=size, num_messages_after=size)
