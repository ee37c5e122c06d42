"""The REST operations of conversations."""

from typing import Protocol

from perdure.agents.v1 import conversation_rest_pb2 as rest
from services.agents.conversations.conversations import ConversationFilter, Conversations
from services.agents.conversations.errors import ConversationNotFound
from services.agents.conversations.forks import Forks
from services.agents.conversations.names import resolve_conversation
from services.agents.paging import Page
from services.common.caller import Caller
from services.contract.compaction import CompactConversation
from services.contract.conversations import Conversation, CreateConversation, UpdateConversation


class Prompts(Protocol):
    """The system messages of conversations."""

    async def recompile(self, caller: Caller, agent_id: str, conversation_id: str, *, dry_run: bool) -> str:
        """The system message as it would be now, stored unless `dry_run`."""


class ConversationOperations:
    """What `/v1/conversations` does, but for messages."""

    def __init__(self, conversations: Conversations, forks: Forks, prompts: Prompts) -> None:
        self._conversations = conversations
        self._forks = forks
        self._prompts = prompts

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

    async def fork_conversation(self, caller: Caller, query: rest.ForkConversationQuery, _: None) -> Conversation:
        """Opens a conversation that goes on from where another one stands."""
        return await self._forks.fork(caller, resolve_conversation(query.conversation_id, query.agent_id))

    async def recompile_conversation(
        self, caller: Caller, query: rest.RecompileConversationQuery, body: CompactConversation
    ) -> str:
        """Compiles the system message anew."""
        conversation_id = resolve_conversation(query.conversation_id, body.agent_id)
        agent_id = await self._conversations.agent_id_of(caller, conversation_id)
        if agent_id is None:
            raise ConversationNotFound(conversation_id)
        return await self._prompts.recompile(caller, agent_id, conversation_id, dry_run=query.dry_run)
