"""Opening and closing files for agents, as users of the API do it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.agents.agents.agents import Agents
from services.agents.folders import folders
from services.agents.folders.open_files import FilePage, OpenFiles
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.contract.agents import AgentState


class Desk:
    """Which files an agent has open."""

    def __init__(self, database: Database, open_files: OpenFiles, prompts: folders.Prompts, agents: Agents) -> None:
        self._database = database
        self._open_files = open_files
        self._prompts = prompts
        self._agents = agents

    async def list_page(self, caller: Caller, agent_id: str, page: Page, *, is_open: bool | None) -> FilePage:
        """A page of the files of an agent's folders. Raises `AgentNotFound`, `CursorNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            return await self._open_files.list_page(tx, caller.organization_id, agent_id, page, is_open=is_open)

    async def open(self, caller: Caller, agent_id: str, file_id: str) -> list[str]:
        """Opens a file; the paths of those that had to be closed.

        Raises `AgentNotFound`, `FileNotAttached`, `NoFilesOpen`.
        """
        async with self._changing(caller, agent_id) as (tx, agent):
            file = await self._open_files.find(tx, caller.organization_id, agent, file_id)
            return await self._open_files.open(tx, caller.organization_id, agent, file)

    async def close(self, caller: Caller, agent_id: str, file_id: str) -> None:
        """Closes a file. Raises `AgentNotFound`, `FileNotAttached`."""
        async with self._changing(caller, agent_id) as (tx, agent):
            await self._open_files.find(tx, caller.organization_id, agent, file_id)
            await self._open_files.close(tx, caller.organization_id, agent, [file_id])

    async def close_all(self, caller: Caller, agent_id: str) -> list[str]:
        """Closes all files; their paths. Raises `AgentNotFound`."""
        async with self._changing(caller, agent_id) as (tx, agent):
            return await self._open_files.close(tx, caller.organization_id, agent)

    @asynccontextmanager
    async def _changing(self, caller: Caller, agent_id: str) -> AsyncIterator[tuple[Transaction, AgentState]]:
        """A transaction with the agent locked; its system message is compiled anew at the end."""
        async with self._database.begin() as tx:
            yield tx, await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            await self._prompts.refresh_own(tx, caller.organization_id, [agent_id])
