"""The REST operations that change context windows: compaction and repair."""

from perdure.agents.v1 import conversation_rest_pb2 as rest
from services.agents.conversations.names import resolve_conversation
from services.agents.turns.compact_idle import ConversationCompactor
from services.agents.turns.mending import Mender
from services.common.caller import Caller
from services.contract.compaction import CompactAgent, CompactConversation, CompactionAnswer
from services.contract.repairs import RepairAnswer


class WindowOperations:
    """What the API does with context windows."""

    def __init__(self, compactor: ConversationCompactor, mender: Mender) -> None:
        self._compactor = compactor
        self._mender = mender

    async def summarize_agent_messages(
        self, caller: Caller, query: rest.SummarizeAgentMessagesQuery, body: CompactAgent
    ) -> CompactionAnswer:
        """Compacts an agent's own history."""
        return await self._compactor.compact(caller, query.agent_id, body.compaction_settings)

    async def compact_conversation(
        self, caller: Caller, query: rest.CompactConversationQuery, body: CompactConversation
    ) -> CompactionAnswer:
        """Compacts a conversation."""
        conversation_id = resolve_conversation(query.conversation_id, body.agent_id)
        return await self._compactor.compact(caller, conversation_id, body.compaction_settings)

    async def repair_agent(self, caller: Caller, query: rest.RepairAgentQuery, _: None) -> RepairAnswer:
        """Repairs the histories of an agent."""
        return await self._mender.mend_agent(caller, query.agent_id)
