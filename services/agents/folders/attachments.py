"""Giving folders to agents, as users of the API do it."""

from services.agents.agents import relations
from services.agents.agents.agent_types import FILE_TOOLS
from services.agents.agents.agents import Agents
from services.agents.agents.catalogs import Tools
from services.agents.folders import folders
from services.agents.folders.agent_folders import AgentFolders
from services.agents.paging import Page, cut_list
from services.common.caller import Caller
from services.common.database import Database
from services.contract.agents import AgentState
from services.contract.folders import Source


class Attachments:
    """Which folders an agent has."""

    def __init__(
        self,
        database: Database,
        agent_folders: AgentFolders,
        prompts: folders.Prompts,
        agents: Agents,
        tools: Tools,
    ) -> None:
        self._database = database
        self._agent_folders = agent_folders
        self._prompts = prompts
        self._agents = agents
        self._tools = tools

    async def list_page(self, caller: Caller, agent_id: str, page: Page) -> list[Source]:
        """A page of the agent's folders, by when it got them. Raises `AgentNotFound`, `CursorNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            found = (await self._agent_folders.of_agents(tx, caller.organization_id, [agent_id]))[agent_id]
        by_id = {folder.id: folder for folder in found}
        return [by_id[folder_id] for folder_id in cut_list(list(by_id), page)]

    async def attach(self, caller: Caller, agent_id: str, folder_id: str) -> AgentState:
        """Gives an agent a folder and the file tools, and opens its files; a folder that it has stays.

        Raises `AgentNotFound`, `FolderNotFound`.
        """
        organization_id = caller.organization_id
        file_tools = await self._tools.describe(organization_id, [], FILE_TOOLS)
        async with self._database.begin() as tx:
            await self._agent_folders.lock(tx, organization_id, [folder_id])
            agent = await self._agents.find(tx, organization_id, agent_id, lock=True)
            await self._agent_folders.give(tx, organization_id, agent, [folder_id])
            await self._agents.give_tools(tx, caller, agent, file_tools)
            await self._prompts.refresh_own(tx, caller.organization_id, [agent_id])
        return await self._agents.get(caller, agent_id, relations.ALL)

    async def detach(self, caller: Caller, agent_id: str, folder_id: str) -> AgentState:
        """Takes a folder from an agent, and the file tools with the last. Raises `AgentNotFound`, `FolderNotFound`."""
        organization_id = caller.organization_id
        async with self._database.begin() as tx:
            await self._agent_folders.lock(tx, organization_id, [folder_id])
            agent = await self._agents.find(tx, organization_id, agent_id, lock=True)
            if await self._agent_folders.take(tx, organization_id, agent, folder_id):
                await self._prompts.refresh_own(tx, caller.organization_id, [agent_id])
        return await self._agents.get(caller, agent_id, relations.ALL)
