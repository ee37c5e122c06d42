"""The RPCs of AgentService that are about agents themselves."""

from typing import Any

from grpc.aio import ServicerContext

from perdure.agents.v1 import agent_pb2
from perdure.agents.v1 import agent_service_pb2 as service
from services.agents.agents.agents import Agents
from services.agents.agents.changes import AgentChanges
from services.agents.agents.conversions import read_create, read_update, type_agent
from services.agents.agents.filter import AgentFilter
from services.agents.equipment.equipment import Equipment
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.paging import read_page_size
from services.contract.agents import AgentState

Context = ServicerContext[Any, Any]  # the stubs' own parameters differ from one method to the next
_SHOWN = frozenset({"agent.blocks", "agent.tags"})
_TOLD_TO_TOOLS = frozenset({"agent.blocks", "agent.identities", "agent.sources", "agent.tags"})


class AgentServicer:
    """Takes typed calls about agents."""

    def __init__(self, agents: Agents, changes: AgentChanges, equipment: Equipment) -> None:
        self._agents = agents
        self._changes = changes
        self._equipment = equipment

    async def CreateAgent(self, request: service.CreateAgentRequest, context: Context) -> service.CreateAgentResponse:
        """Makes an agent."""
        caller = Caller(request.organization_id, request.user_id)
        agent = await self._agents.create(caller, read_create(request))
        return service.CreateAgentResponse(agent=await self._typed(caller.organization_id, agent))

    async def GetAgent(self, request: service.GetAgentRequest, context: Context) -> service.GetAgentResponse:
        """One agent."""
        agent = await self._agents.get(Caller(request.organization_id), request.agent_id, _SHOWN)
        return service.GetAgentResponse(agent=await self._typed(request.organization_id, agent))

    async def ListAgents(self, request: service.ListAgentsRequest, context: Context) -> service.ListAgentsResponse:
        """A page of agents, the newest first; a token is the id of the last agent of a page."""
        size = read_page_size(request.page_size)
        agents = await self._agents.list_page(
            Caller(request.organization_id),
            AgentFilter(tags=request.tags, match_all_tags=True, some_tags=request.some_tags),
            Page(size, after=request.page_token),
            order_by="created_at",
            include=_SHOWN,
        )
        tools = await self._equipment.definitions(request.organization_id, [agent.id for agent in agents])
        return service.ListAgentsResponse(
            agents=[type_agent(agent, tools[agent.id]) for agent in agents],
            next_page_token=agents[-1].id if len(agents) == size else "",
        )

    async def UpdateAgent(self, request: service.UpdateAgentRequest, context: Context) -> service.UpdateAgentResponse:
        """Changes an agent."""
        caller = Caller(request.organization_id, request.user_id)
        before = await self._agents.get(caller, request.agent_id, frozenset())
        changes = read_update(request, before.model or "")
        agent = await self._changes.update(caller, request.agent_id, changes)
        return service.UpdateAgentResponse(agent=await self._typed(caller.organization_id, agent))

    async def DeleteAgent(self, request: service.DeleteAgentRequest, context: Context) -> service.DeleteAgentResponse:
        """Deletes an agent with its history."""
        await self._agents.delete(Caller(request.organization_id), request.agent_id)
        return service.DeleteAgentResponse()

    async def ApplyToolChanges(
        self, request: service.ApplyToolChangesRequest, context: Context
    ) -> service.ApplyToolChangesResponse:
        """Takes changed or deleted tools over."""
        await self._equipment.apply_changes(request.organization_id, request.changed, request.deleted_tool_ids)
        return service.ApplyToolChangesResponse()

    async def GetAgentState(
        self, request: service.GetAgentStateRequest, context: Context
    ) -> service.GetAgentStateResponse:
        """An agent as tools see it."""
        agent = await self._agents.get(Caller(request.organization_id), request.agent_id, _TOLD_TO_TOOLS)
        return service.GetAgentStateResponse(json=agent.model_dump_json())

    async def _typed(self, organization_id: str, agent: AgentState) -> agent_pb2.Agent:
        tools = await self._equipment.definitions(organization_id, [agent.id])
        return type_agent(agent, tools[agent.id])
