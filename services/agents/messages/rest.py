"""The REST operations of messages."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from perdure.agents.v1 import conversation_rest_pb2 as rest
from perdure.conversation.v1.message_pb2 import Message
from services.agents.agents.first_messages import first_messages
from services.agents.agents.relations import ALL
from services.agents.conversations.conversations import Conversations
from services.agents.conversations.errors import ConversationNotFound
from services.agents.conversations.names import resolve_conversation
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.messages.pages import ReadPage, list_pieces
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database
from services.common.errors import Unimplemented
from services.common.pieces import Piece, Shown, render_pieces
from services.contract.agents import AgentState, ResetMessages

SPEAKING_TOOL = "send_message"  # with which agents of the older types talk
SPEAKING_ARGUMENT = "message"


class MessagesStay(Unimplemented):
    """Messages are never changed."""

    http_status = 405

    def __init__(self) -> None:
        super().__init__("Messages cannot be changed, as several conversations may show the same one.")


class Agents(Protocol):
    """Where agents are read."""

    async def get(self, caller: Caller, agent_id: str, wanted: frozenset[str]) -> AgentState:
        """One agent with the wanted relations. Raises `AgentNotFound`."""


class MessageOperations:
    """What the API does with stored messages."""

    def __init__(self, database: Database, messages: Messages, conversations: Conversations, agents: Agents) -> None:
        self._database = database
        self._messages = messages
        self._conversations = conversations
        self._agents = agents

    async def list_agent_messages(self, caller: Caller, query: rest.ListAgentMessagesQuery, _: None) -> list[Piece]:
        """Messages of an agent, the oldest first whatever `order` says."""
        if await self._conversations.agent_id_of(caller, query.agent_id) is None:
            raise ConversationNotFound(query.agent_id)
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        owner = {"agent_id": query.agent_id} | ({"group_id": query.group_id} if query.group_id else {})
        read = self._of(caller, owner)
        if query.conversation_id:
            conversation_id = resolve_conversation(query.conversation_id, query.agent_id)
            if await self._conversations.agent_id_of(caller, conversation_id) != query.agent_id:
                return []
            read = self._of_conversation(caller, conversation_id, query.group_id)
        shown = Shown(
            _types(query.include_return_message_types),
            speaking_tool=query.assistant_message_tool_name if query.use_assistant_message else "",
            speaking_argument=query.assistant_message_tool_kwarg,
        )
        pieces = await list_pieces(read, page, shown)
        return pieces[::-1] if page.descending else pieces

    async def list_conversation_messages(
        self, caller: Caller, query: rest.ListConversationMessagesQuery, _: None
    ) -> list[Piece]:
        """Messages of a conversation in the order asked for; none where it does not exist."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        read = self._of_conversation(
            caller, resolve_conversation(query.conversation_id, query.agent_id), query.group_id
        )
        return await list_pieces(read, page, _shown(query.include_return_message_types))

    async def list_messages(self, caller: Caller, query: rest.ListMessagesQuery, _: None) -> list[Piece]:
        """Messages of all agents. Unlike in the other lists, `after` means further down."""
        descending = query.order == "desc"
        before, after = (query.after, query.before) if descending else (query.before, query.after)
        read = self._of_conversation(caller, query.conversation_id) if query.conversation_id else self._of(caller, {})
        shown = _shown(query.include_return_message_types)
        return await list_pieces(read, Page(query.limit, before, after, descending=descending), shown)

    async def get_message(self, caller: Caller, query: rest.GetMessageQuery, _: None) -> list[Piece]:
        """The pieces of a message."""
        async with self._database.begin() as tx:
            message = await self._messages.get(tx, caller.organization_id, query.message_id)
        return render_pieces(message, _shown(()))

    async def update_message(self, caller: Caller, query: rest.UpdateMessageQuery, _: None) -> None:
        """Refuses: forks of a conversation share its messages. Raises `MessagesStay`."""
        raise MessagesStay

    async def reset_messages(
        self, caller: Caller, query: rest.ResetMessagesQuery, body: ResetMessages
    ) -> AgentState | None:
        """Empties the context window of an agent. The 1.x SDK gets no answer, others the agent."""
        agent = await self._agents.get(caller, query.agent_id, frozenset())
        begun: list[Message] = []
        if body.add_default_initial_messages:
            origin = Origin(agent.id, agent.id, datetime.now(UTC))
            begun = first_messages(origin, agent.system, agent.agent_type, agent.timezone or "UTC", None)[1:]
        await self._conversations.reset(caller, query.agent_id, begun)
        return None if caller.is_v1_sdk else await self._agents.get(caller, query.agent_id, ALL)

    def _of(self, caller: Caller, owner: Mapping[str, str]) -> ReadPage:
        """Reads pages of the messages that have these columns."""

        async def read(page: Page) -> list[Message]:
            async with self._database.begin() as tx:
                return await self._messages.list_of(tx, caller.organization_id, owner, page)

        return read

    def _of_conversation(self, caller: Caller, conversation_id: str, group_id: str = "") -> ReadPage:
        """Reads pages of a conversation."""

        async def read(page: Page) -> list[Message]:
            async with self._database.begin() as tx:
                return await self._messages.list_of_conversation(
                    tx, caller.organization_id, conversation_id, page, group_id=group_id
                )

        return read


def _types(names: Sequence[str]) -> frozenset[str] | None:
    return frozenset(names) or None


def _shown(types: Sequence[str]) -> Shown:
    return Shown(_types(types), speaking_tool=SPEAKING_TOOL, speaking_argument=SPEAKING_ARGUMENT)
