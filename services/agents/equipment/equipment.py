"""The tools of one agent: listed, given, taken."""

from collections.abc import Sequence

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents import relations
from services.agents.agents.agents import Agents, Stores
from services.agents.agents.catalogs import Tools
from services.agents.agents.relations import Relations
from services.agents.paging import Page, cut_list
from services.common.caller import Caller
from services.common.database import Database
from services.contract.agents import AgentState
from services.contract.tools import Tool


class Equipment:
    """Which tools an agent has."""

    def __init__(self, database: Database, stores: Stores, agents: Agents, relations: Relations, tools: Tools) -> None:
        self._database = database
        self._stores = stores
        self._agents = agents
        self._relations = relations
        self._tools = tools

    async def list_page(self, caller: Caller, agent_id: str, page: Page) -> list[Tool]:
        """A page of the agent's tools, by when it got them. Raises `AgentNotFound`, `CursorNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            tools = (await self._stores.tools.of_agents(tx, [agent_id]))[agent_id]
        tool_ids = cut_list([tool.id for tool in tools], page)
        shown = await self._tools.show(caller.organization_id, tool_ids) if tool_ids else {}
        return [shown[tool_id] for tool_id in tool_ids if tool_id in shown]

    async def definitions(self, agent_ids: Sequence[str]) -> dict[str, list[ToolDefinition]]:
        """Each agent's tools as its model sees them."""
        async with self._database.begin() as tx:
            return await self._stores.tools.of_agents(tx, agent_ids)

    async def apply_changes(
        self, organization_id: str, changed: Sequence[ToolDefinition], deleted: Sequence[str]
    ) -> None:
        """Takes newer definitions over into every agent that has the tools, and deleted tools away."""
        async with self._database.begin() as tx:
            await self._stores.tools.apply_changes(tx, organization_id, changed, deleted)

    async def attach(self, caller: Caller, agent_id: str, tool_id: str) -> AgentState:
        """Gives the agent a tool; one that it has stays. Raises `AgentNotFound`, `ToolsNotFound`."""
        definitions = await self._tools.describe(caller.organization_id, [tool_id], [])
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            await self._stores.tools.attach(tx, caller.organization_id, agent_id, definitions)
        return await self._agents.get(caller, agent_id, relations.ALL)

    async def detach(self, caller: Caller, agent_id: str, tool_id: str) -> AgentState:
        """Takes a tool from the agent, if it has it. Raises `AgentNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            await self._stores.tools.detach(tx, agent_id, [tool_id])
        return await self._agents.get(caller, agent_id, relations.ALL)
