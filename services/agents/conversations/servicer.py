"""The RPCs of AgentService that are about conversations."""

from typing import Any

from grpc.aio import ServicerContext

from perdure.agents.v1 import agent_service_pb2 as service
from services.agents.conversations.conversations import Conversations
from services.common.caller import Caller
from services.contract.conversations import CreateConversation

Context = ServicerContext[Any, Any]  # the stubs' own parameters differ from one method to the next


class ConversationServicer:
    """Takes typed calls about conversations."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def CreateConversation(
        self, request: service.CreateConversationRequest, context: Context
    ) -> service.CreateConversationResponse:
        """Opens a conversation with an agent."""
        caller = Caller(request.organization_id, request.user_id)
        conversation = await self._conversations.create(caller, request.agent_id, CreateConversation())
        return service.CreateConversationResponse(conversation_id=conversation.id)

    async def GetConversation(
        self, request: service.GetConversationRequest, context: Context
    ) -> service.GetConversationResponse:
        """One conversation."""
        found = await self._conversations.get(Caller(request.organization_id), request.conversation_id)
        return service.GetConversationResponse(agent_id=found.agent_id, on_busy=found.on_busy or "")
