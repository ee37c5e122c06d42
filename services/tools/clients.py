"""The agents service, as tools need it."""

import logging
from collections.abc import Iterator, Sequence

import grpc

from perdure.agents.v1.agent_service_pb2 import (
    ApplyToolChangesRequest,
    ChangeMemoryRequest,
    GetAgentStateRequest,
)
from perdure.agents.v1.agent_service_pb2 import BlockChange as BlockChangeMessage
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceStub
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.channels import UNARY_TIMEOUT_S
from services.common.status import rpc_errors
from services.tools.agent_state import BlockChange
from services.tools.conversions import tool_definition
from services.tools.stored_tool import StoredTool

log = logging.getLogger(__name__)

APPLY_TIMEOUT_S = 2.0  # seconds that a caller who changes a tool waits for agents


class AgentsClient:
    """Agents at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = AgentServiceStub(channel)

    async def apply_changes(self, organization_id: str, changed: Sequence[StoredTool], deleted: Sequence[str]) -> None:
        """Tells of changed and deleted tools. Raises `PerdureError`."""
        request = ApplyToolChangesRequest(
            organization_id=organization_id,
            changed=_definitions(changed),
            deleted_tool_ids=deleted,
        )
        with rpc_errors():
            await self._stub.ApplyToolChanges(request, timeout=APPLY_TIMEOUT_S)

    async def read_state(self, organization_id: str, agent_id: str) -> str:
        """The agent as the public API shows it, as JSON. Raises `PerdureError`."""
        request = GetAgentStateRequest(organization_id=organization_id, agent_id=agent_id)
        with rpc_errors():
            return (await self._stub.GetAgentState(request, timeout=UNARY_TIMEOUT_S)).json

    async def change_memory(self, organization_id: str, agent_id: str, changes: Sequence[BlockChange]) -> None:
        """Writes all of the changes or none. Raises `PerdureError`."""
        request = ChangeMemoryRequest(
            organization_id=organization_id,
            agent_id=agent_id,
            changes=[BlockChangeMessage(label=one.label, before=one.before, after=one.after) for one in changes],
        )
        with rpc_errors():
            await self._stub.ChangeMemory(request, timeout=UNARY_TIMEOUT_S)


def _definitions(changed: Sequence[StoredTool]) -> Iterator[ToolDefinition]:
    """Without those that cannot be sent: one of them would keep the others from their agents."""
    for stored in changed:
        try:
            yield tool_definition(stored)
        except (TypeError, ValueError):
            log.exception("agents are not told of the tool %s, which cannot be sent", stored.tool.id)
