"""The RPCs of AgentService that are about an agent's memory."""

from typing import Any

from grpc.aio import ServicerContext

from perdure.agents.v1 import agent_service_pb2 as service
from services.agents.memory.core_memory import CoreMemory, TextChange

Context = ServicerContext[Any, Any]  # the stubs' own parameters differ from one method to the next


class MemoryServicer:
    """Takes typed calls about memory."""

    def __init__(self, core_memory: CoreMemory) -> None:
        self._core_memory = core_memory

    async def ChangeMemory(
        self, request: service.ChangeMemoryRequest, context: Context
    ) -> service.ChangeMemoryResponse:
        """Writes blocks of an agent's memory."""
        changes = [TextChange(one.label, one.before, one.after) for one in request.changes]
        await self._core_memory.rewrite(request.organization_id, request.agent_id, changes)
        return service.ChangeMemoryResponse()
