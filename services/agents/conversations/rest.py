"""The REST operations of conversations."""

from perdure.agents.v1 import rest_pb2 as rest
from services.agents.conversations.conversations import ConversationFilter, Conversations
from services.agents.paging import Page
from services.common.caller import Caller
from services.contract.conversations import Conversation, CreateConversation, UpdateConversation


class ConversationOperations:
    """What `/v1/conversations` does, but for messages."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def create_conversation(
        self, caller: Caller, query: rest.CreateConversationQuery, body: CreateConversation
    ) -> Conversation:
        """Opens a conversation."""
        return await self._conversations.create(caller, query.agent_id, body)

    async def list_conversations(
        self, caller: Caller, query: rest.ListConversationsQuery, _: None
    ) -> list[Conversation]:
        """A page of conversations."""
        wanted = ConversationFilter(query.agent_id, query.summary_search)
        page = Page(query.limit, after=query.after, descending=query.order == "desc")
        return await self._conversations.list_page(caller, wanted, page, query.order_by)

    async def get_conversation(self, caller: Caller, query: rest.GetConversationQuery, _: None) -> Conversation:
        """One conversation."""
        return await self._conversations.get(caller, query.conversation_id)

    async def update_conversation(
        self, caller: Caller, query: rest.UpdateConversationQuery, body: UpdateConversation
    ) -> Conversation:
        """Changes a conversation."""
        return await self._conversations.update(caller, query.conversation_id, body)

    async def delete_conversation(self, caller: Caller, query: rest.DeleteConversationQuery, _: None) -> None:
        """Deletes a conversation."""
        await self._conversations.delete(caller, query.conversation_id)
