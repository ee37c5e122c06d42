"""The REST operations of agents."""

from perdure.agents.v1 import agent_rest_pb2 as rest
from services.agents.agents.agents import Agents
from services.agents.agents.changes import AgentChanges
from services.agents.agents.context import ContextOverview
from services.agents.agents.filter import AgentFilter
from services.agents.agents.relations import wanted_relations
from services.agents.conversations.names import OWN_HISTORY, resolve_conversation
from services.agents.equipment.equipment import Equipment
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.errors import Unprocessable
from services.contract.agents import AgentState, CreateAgent, DeletedAgent, ToolApproval, UpdateAgent
from services.contract.context_window import ContextWindow
from services.contract.tools import Tool


class AgentOperations:
    """What `/v1/agents` does."""

    def __init__(self, agents: Agents, changes: AgentChanges, equipment: Equipment, overview: ContextOverview) -> None:
        self._agents = agents
        self._changes = changes
        self._equipment = equipment
        self._overview = overview

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

    async def update_agent(self, caller: Caller, query: rest.UpdateAgentQuery, body: UpdateAgent) -> AgentState:
        """Changes an agent."""
        return await self._changes.update(caller, query.agent_id, body)

    async def delete_agent(self, caller: Caller, query: rest.DeleteAgentQuery, _: None) -> DeletedAgent:
        """Deletes an agent with its history."""
        await self._agents.delete(caller, query.agent_id)
        return DeletedAgent(message=f"Agent {query.agent_id} was deleted.")

    async def get_context_window(self, caller: Caller, query: rest.GetContextWindowQuery, _: None) -> ContextWindow:
        """What fills the context window."""
        conversation_id = resolve_conversation(query.conversation_id or OWN_HISTORY, query.agent_id)
        return await self._overview.measure(caller, query.agent_id, conversation_id)

    async def recompile_agent(self, caller: Caller, query: rest.RecompileAgentQuery, _: None) -> str:
        """Compiles the system message anew."""
        return await self._overview.recompile(caller, query.agent_id, query.agent_id, dry_run=query.dry_run)

    recompile_agent_system_prompt = recompile_agent

    async def list_agent_tools(self, caller: Caller, query: rest.ListAgentToolsQuery, _: None) -> list[Tool]:
        """A page of an agent's tools."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await self._equipment.list_page(caller, query.agent_id, page)

    async def attach_tool(self, caller: Caller, query: rest.AttachToolQuery, _: None) -> AgentState | None:
        """Gives an agent a tool. Callers of the 1.x SDK get no agent back."""
        agent = await self._equipment.attach(caller, query.agent_id, query.tool_id)
        return None if caller.is_v1_sdk else agent

    async def detach_tool(self, caller: Caller, query: rest.DetachToolQuery, _: None) -> AgentState | None:
        """Takes a tool from an agent. Callers of the 1.x SDK get no agent back."""
        agent = await self._equipment.detach(caller, query.agent_id, query.tool_id)
        return None if caller.is_v1_sdk else agent

    async def set_tool_approval(
        self, caller: Caller, query: rest.SetToolApprovalQuery, body: ToolApproval
    ) -> AgentState | None:
        """Says whether calls of a tool wait. The body beats the parameter. The 1.x SDK gets no agent back."""
        required = body.requires_approval
        if required is None:
            required = query.requires_approval if query.HasField("requires_approval") else None
        if required is None:
            problem = "Say in the body whether calls of the tool wait for an approval: true or false."
            raise Unprocessable([{"type": "missing", "loc": ["body", "requires_approval"], "msg": problem}])
        agent = await self._equipment.set_approval(caller, query.agent_id, query.tool_name, required=required)
        return None if caller.is_v1_sdk else agent


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
