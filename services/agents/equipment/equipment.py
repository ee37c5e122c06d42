"""The tools of one agent: listed, given, taken, put under approval."""

from collections.abc import Sequence

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents import relations
from services.agents.agents.agents import Agents, Stores
from services.agents.agents.approval_rules import demand_approval, spare_approval
from services.agents.agents.catalogs import Tools
from services.agents.agents.renaming import rename_tool
from services.agents.paging import Page, cut_list
from services.common.caller import Caller
from services.common.database import Database
from services.common.errors import NotFound
from services.contract.agents import AgentState
from services.contract.tools import Tool


class ToolNotGiven(NotFound):
    """The agent does not have the tool."""

    reason = "TOOL_NOT_GIVEN"

    def __init__(self, agent_id: str, tool_name: str) -> None:
        super().__init__(f"NOT_FOUND: Agent {agent_id} has no tool named {tool_name!r}. Attach it first.")


class Equipment:
    """Which tools an agent has, and which of them it may call unasked."""

    def __init__(self, database: Database, stores: Stores, agents: Agents, tools: Tools) -> None:
        self._database = database
        self._stores = stores
        self._agents = agents
        self._tools = tools

    async def list_page(self, caller: Caller, agent_id: str, page: Page) -> list[Tool]:
        """A page of the agent's tools, by when it got them. Raises `AgentNotFound`, `CursorNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            tools = (await self._stores.tools.of_agents(tx, caller.organization_id, [agent_id]))[agent_id]
        tool_ids = cut_list([tool.id for tool in tools], page)
        shown = await self._tools.show(caller.organization_id, tool_ids) if tool_ids else {}
        return [shown[tool_id] for tool_id in tool_ids if tool_id in shown]

    async def definitions(self, organization_id: str, agent_ids: Sequence[str]) -> dict[str, list[ToolDefinition]]:
        """Each agent's tools as its model sees them."""
        async with self._database.begin() as tx:
            return await self._stores.tools.of_agents(tx, organization_id, agent_ids)

    async def apply_changes(
        self, organization_id: str, changed: Sequence[ToolDefinition], deleted: Sequence[str]
    ) -> None:
        """Takes newer definitions over into every agent that has the tools, and deleted tools away.

        Rules follow a tool that is renamed.
        """
        async with self._database.begin() as tx:
            renamed = await self._stores.tools.find_renamed(tx, organization_id, changed)
            for agent_id, _, _ in renamed:  # all before the first system message, or others wait in a circle
                await self._agents.find(tx, organization_id, agent_id, lock=True)
            for agent_id, old, new in renamed:
                agent = await self._agents.find(tx, organization_id, agent_id)
                rules = rename_tool(agent.tool_rules or [], old, new)
                await self._agents.change_rules(tx, Caller(organization_id), agent, rules)
            await self._stores.tools.apply_changes(tx, organization_id, changed, deleted)

    async def attach(self, caller: Caller, agent_id: str, tool_id: str) -> AgentState:
        """Gives the agent a tool; one that it has stays. Raises `AgentNotFound`, `ToolsNotFound`."""
        definitions = await self._tools.describe(caller.organization_id, [tool_id], [])
        async with self._database.begin() as tx:
            agent = await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            await self._agents.give_tools(tx, caller, agent, definitions)
        return await self._agents.get(caller, agent_id, relations.ALL)

    async def detach(self, caller: Caller, agent_id: str, tool_id: str) -> AgentState:
        """Takes a tool from the agent, if it has it. Raises `AgentNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            await self._stores.tools.detach(tx, caller.organization_id, agent_id, tool_id)
        return await self._agents.get(caller, agent_id, relations.ALL)

    async def set_approval(self, caller: Caller, agent_id: str, tool_name: str, *, required: bool) -> AgentState:
        """Says whether the agent's calls of a tool wait for an approval, whatever the tool's own default is.

        Calls that wait already keep waiting. Raises `AgentNotFound`, `ToolNotGiven`.
        """
        async with self._database.begin() as tx:
            agent = await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            tools = (await self._stores.tools.of_agents(tx, caller.organization_id, [agent_id]))[agent_id]
            tool = next((tool for tool in tools if tool.name == tool_name), None)
            if tool is None:
                raise ToolNotGiven(agent_id, tool_name)
            rules = agent.tool_rules or []
            changed = demand_approval(rules, [tool_name]) if required else spare_approval(rules, tool_name)
            await self._agents.change_rules(tx, caller, agent, changed)
            await self._stores.tools.waive_approval(tx, caller.organization_id, agent_id, tool.id, waived=not required)
        return await self._agents.get(caller, agent_id, relations.ALL)
