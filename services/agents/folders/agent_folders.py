"""The folders of agents, in the transaction of the caller: given, taken, shown."""

from collections.abc import Sequence
from typing import Protocol

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents.agent_types import FILE_TOOLS
from services.agents.folders.directories import Shelf, print_shelf
from services.agents.folders.folders import FolderNotFound
from services.agents.folders.open_files import FileView, OpenFiles
from services.common.database import Transaction
from services.contract.agents import AgentState
from services.contract.blocks import FileBlock
from services.contract.folders import Source


class Store(Protocol):
    """Which agents have which folders. Every method runs in the transaction of its caller."""

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[Source]]:
        """The folders of each agent, in the order in which it got them."""

    async def shelves(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, Shelf]:
        """What each agent sees of its folders; agents without folders are left out."""

    async def lock(self, tx: Transaction, organization_id: str, folder_ids: Sequence[str]) -> set[str]:
        """Keeps others from changing those of the folders that exist until the transaction ends; their ids."""

    async def attach(self, tx: Transaction, organization_id: str, agent_id: str, folder_ids: Sequence[str]) -> None:
        """Gives an agent folders; one that it has stays."""

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, folder_id: str) -> bool:
        """Takes a folder from an agent, and says whether it had it."""


class AgentTools(Protocol):
    """Which tools agents have."""

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[ToolDefinition]]:
        """Each agent's tools in their order."""

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, tool_id: str) -> None:
        """Takes a tool from an agent."""


class AgentFolders:
    """Gives folders to agents and takes them away. Whoever does has locked the folders, and then the agent."""

    def __init__(self, store: Store, open_files: OpenFiles, tools: AgentTools) -> None:
        self._store = store
        self._open_files = open_files
        self._tools = tools

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[Source]]:
        """The folders of each agent, in the order in which it got them. One statement."""
        return await self._store.of_agents(tx, organization_id, agent_ids)

    async def file_blocks(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[FileBlock]]:
        """The files of each agent's folders, as blocks; closed ones are empty. One statement."""
        shelves = await self._store.shelves(tx, organization_id, agent_ids)
        return {agent_id: _file_blocks(shelves[agent_id]) for agent_id in agent_ids if agent_id in shelves}

    async def directories(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, str]:
        """What the system message of each agent with folders says of them. One statement."""
        shelves = await self._store.shelves(tx, organization_id, agent_ids)
        return {agent_id: print_shelf(shelf) for agent_id, shelf in shelves.items()}

    async def lock(self, tx: Transaction, organization_id: str, folder_ids: Sequence[str]) -> None:
        """Keeps others from changing folders until the transaction ends. Raises `FolderNotFound`."""
        found = await self._store.lock(tx, organization_id, folder_ids)
        for folder_id in folder_ids:
            if folder_id not in found:
                raise FolderNotFound(folder_id)

    async def give(self, tx: Transaction, organization_id: str, agent: AgentState, folder_ids: Sequence[str]) -> None:
        """Gives an agent locked folders, and opens their files. The file tools are the caller's to give."""
        await self._store.attach(tx, organization_id, agent.id, folder_ids)
        for folder_id in folder_ids:
            await self._open_files.add_folder(tx, organization_id, agent, folder_id)

    async def take(self, tx: Transaction, organization_id: str, agent: AgentState, folder_id: str) -> bool:
        """Takes a folder from an agent, and the file tools with the last one; says whether it had it."""
        if not await self._store.detach(tx, organization_id, agent.id, folder_id):
            return False
        await self._open_files.remove_folder(tx, organization_id, agent, folder_id)
        await self.drop_tools(tx, organization_id, [agent.id])
        return True

    async def drop_tools(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> None:
        """Takes the file tools from those of the agents that have no folder left."""
        folders = await self._store.of_agents(tx, organization_id, agent_ids)
        bare = [agent_id for agent_id in agent_ids if not folders[agent_id]]
        for agent_id, tools in (await self._tools.of_agents(tx, organization_id, bare)).items():
            for tool in tools:
                if tool.name in FILE_TOOLS:
                    await self._tools.detach(tx, organization_id, agent_id, tool.id)

    async def replace(
        self, tx: Transaction, organization_id: str, agent: AgentState, folder_ids: Sequence[str]
    ) -> None:
        """Gives an agent exactly these folders, which are locked."""
        present = (await self._store.of_agents(tx, organization_id, [agent.id]))[agent.id]
        for folder in present:
            if folder.id not in folder_ids:
                await self.take(tx, organization_id, agent, folder.id)
        await self.give(tx, organization_id, agent, folder_ids)

    async def fit(self, tx: Transaction, organization_id: str, agent: AgentState) -> None:
        """Brings open files into line with the agent's limits, after they have changed."""
        await self._open_files.fit(tx, organization_id, agent)


def _file_blocks(shelf: Shelf) -> list[FileBlock]:
    return [_file_block(file, shelf.view_chars) for directory in shelf.directories for file in directory.files]


def _file_block(file: FileView, chars: int) -> FileBlock:
    return FileBlock(
        id=file.id.replace("file_agent-", "block-", 1),
        label=file.path,
        value=file.visible_content,
        limit=chars,
        read_only=True,
        file_id=file.file_id,
        source_id=file.folder_id,
        is_open=file.is_open,
        last_accessed_at=file.last_accessed_at,
    )
