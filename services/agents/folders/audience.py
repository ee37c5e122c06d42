"""The agents that have a folder, when it gets a new file."""

from collections.abc import Sequence
from typing import Protocol

from services.agents.folders import folders
from services.agents.folders.folders import Prompts, find_folder
from services.agents.folders.open_files import OpenFiles
from services.common.database import Transaction
from services.contract.agents import AgentState


class Agents(Protocol):
    """Where agents are kept."""

    async def find(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, AgentState]:
        """The agents that exist, by id."""


class FolderAudience:
    """Shows new files to the agents that have their folder."""

    def __init__(self, store: folders.Store, agents: Agents, open_files: OpenFiles, prompts: Prompts) -> None:
        self._store = store
        self._agents = agents
        self._open_files = open_files
        self._prompts = prompts

    async def hold(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        """Lets no other agent get the folder until the transaction ends. Raises `FolderNotFound`."""
        await find_folder(self._store, tx, organization_id, folder_id, lock=True)

    async def show_new(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        """Opens the files that the folder's agents do not know."""
        agent_ids = await self._store.lock_agents(tx, organization_id, folder_id)
        agents = await self._agents.find(tx, organization_id, agent_ids)
        for agent_id in agent_ids:
            await self._open_files.add_folder(tx, organization_id, agents[agent_id], folder_id)
        await self._prompts.refresh_own(tx, organization_id, agent_ids)
