"""The RPCs of AgentService that are about messages."""

from typing import Any

from grpc.aio import ServicerContext

from perdure.agents.v1 import agent_service_pb2 as service
from services.agents.messages.messages import Messages
from services.agents.paging import Page
from services.common.database import Database
from services.common.errors import InvalidArgument

Context = ServicerContext[Any, Any]  # the stubs' own parameters differ from one method to the next
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_OWNERS = ("agent_id", "conversation_id", "run_id", "step_id")


class MessageServicer:
    """Takes typed calls about messages."""

    def __init__(self, database: Database, messages: Messages) -> None:
        self._database = database
        self._messages = messages

    async def ListMessages(
        self, request: service.ListMessagesRequest, context: Context
    ) -> service.ListMessagesResponse:
        """Messages of an agent, a conversation, a run or a step."""
        owner = {name: getattr(request, name) for name in _OWNERS if getattr(request, name)}
        if len(owner) != 1:
            raise InvalidArgument(f"One of {', '.join(_OWNERS)} must be set, not {len(owner)} of them.")
        limit = min(request.limit or DEFAULT_LIMIT, MAX_LIMIT)
        page = Page(limit, request.before, request.after, descending=request.descending)
        async with self._database.begin() as tx:
            if request.conversation_id:
                found = await self._messages.list_of_conversation(
                    tx, request.organization_id, request.conversation_id, page
                )
            else:
                found = await self._messages.list_of(tx, request.organization_id, owner, page)
        return service.ListMessagesResponse(messages=found)
