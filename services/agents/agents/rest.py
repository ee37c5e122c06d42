"""The REST operations of agents."""

from perdure.agents.v1 import rest_pb2 as rest
from services.agents.agents.agents import Agents
from services.agents.agents.filter import AgentFilter
from services.agents.agents.relations import wanted_relations
from services.agents.paging import Page
from services.common.caller import Caller
from services.contract.agents import AgentState, CreateAgent, DeletedAgent


class AgentOperations:
    """What `/v1/agents` does."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def create_agent(self, caller: Caller, _: rest.CreateAgentQuery, body: CreateAgent) -> AgentState:
        """Makes an agent."""
        return await self._agents.create(caller, body)

    async def list_agents(self, caller: Caller, query: rest.ListAgentsQuery, _: None) -> list[AgentState]:
        """A page of agents."""
        descending = query.order == "desc" and not query.ascending
        return await self._agents.list_page(
            caller,
            _filter(query),
            Page(query.limit, query.before, query.after, descending=descending),
            order_by=query.sort_by or query.order_by,
            include=wanted_relations(caller, query.include, query.include_relationships),
        )

    async def count_agents(self, caller: Caller, query: rest.CountAgentsQuery, _: None) -> int:
        """How many agents there are."""
        return await self._agents.count(caller, _filter(query))

    async def get_agent(self, caller: Caller, query: rest.GetAgentQuery, _: None) -> AgentState:
        """One agent."""
        wanted = wanted_relations(caller, query.include, query.include_relationships)
        return await self._agents.get(caller, query.agent_id, wanted)

    async def delete_agent(self, caller: Caller, query: rest.DeleteAgentQuery, _: None) -> DeletedAgent:
        """Deletes an agent with its history."""
        await self._agents.delete(caller, query.agent_id)
        return DeletedAgent(message=f"Agent {query.agent_id} was deleted.")


def _filter(query: rest.ListAgentsQuery | rest.CountAgentsQuery) -> AgentFilter:
    return AgentFilter(
        name=query.name,
        query_text=query.query_text,
        tags=query.tags,
        match_all_tags=query.match_all_tags,
        project_id=query.project_id,
        template_id=query.template_id,
        base_template_id=query.base_template_id,
        identity_id=query.identity_id,
        identifier_keys=query.identifier_keys,
        last_stop_reason=query.last_stop_reason,
        created_by_id=query.created_by_id,
    )
