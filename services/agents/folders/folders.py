"""Folders: made, read, listed, changed, deleted.

Whoever changes a folder or what it holds locks the folder first, then the agents that have it, in order.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from services.agents.agents.creation import Creation
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import AlreadyExists, InvalidArgument, NotFound
from services.common.ids import new_id
from services.contract.folders import CreateFolder, Folder, FolderStats, UpdateFolder


class FolderNotFound(NotFound):
    """There is no such folder."""

    reason = "FOLDER_NOT_FOUND"

    def __init__(self, folder: str) -> None:
        super().__init__(f"There is no folder {folder}.")


class FolderExists(AlreadyExists):
    """Another folder has the name: agents tell folders apart by their names."""

    reason = "FOLDER_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"A folder with the name {name!r} already exists.", should_retry=False)


class BoundEmbedding(InvalidArgument):
    """The embedding model of a folder never changes: its vectors would no longer compare."""

    reason = "BOUND_EMBEDDING"


class Store(Protocol):
    """Where folders are kept. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, folder: Folder) -> None:
        """Adds a folder. Raises `FolderExists`."""

    async def find(self, tx: Transaction, organization_id: str, folder_id: str, *, lock: bool = False) -> Folder | None:
        """A folder; `lock` keeps others from changing it, and what it holds, until the transaction ends."""

    async def find_named(self, tx: Transaction, organization_id: str, name: str) -> Folder | None:
        """The folder with a name."""

    async def list_page(self, tx: Transaction, organization_id: str, page: Page, *, name: str) -> list[Folder]:
        """A page of folders, by creation."""

    async def list_all(self, tx: Transaction, organization_id: str) -> list[Folder]:
        """All folders, the oldest first."""

    async def count(self, tx: Transaction, organization_id: str) -> int:
        """How many folders there are."""

    async def stats(self, tx: Transaction, organization_id: str) -> list[FolderStats]:
        """What each folder holds, file by file."""

    async def change(self, tx: Transaction, organization_id: str, folder_id: str, values: Mapping[str, Any]) -> Folder:
        """Changes fields of a folder that there is. Raises `FolderExists`."""

    async def delete(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        """Deletes a folder with its files, also from its agents."""

    async def lock_agents(self, tx: Transaction, organization_id: str, folder_id: str) -> list[str]:
        """The ids of the agents that have a folder, which nobody else changes until the transaction ends."""


class AgentFolders(Protocol):
    """What agents have of folders."""

    async def drop_tools(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> None:
        """Takes the file tools from those of the agents that have no folder left."""


class Prompts(Protocol):
    """The system messages that show folders."""

    async def refresh_own(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> None:
        """Compiles the system message of each agent's own history anew."""


class Folders:
    """The folders of all organisations."""

    def __init__(
        self, database: Database, store: Store, creation: Creation, agent_folders: AgentFolders, prompts: Prompts
    ) -> None:
        self._database = database
        self._store = store
        self._creation = creation
        self._agent_folders = agent_folders
        self._prompts = prompts

    async def create(self, caller: Caller, request: CreateFolder) -> Folder:
        """Makes a folder. Raises `UnknownEmbedding`, `FolderExists`."""
        embedding = await self._creation.choose_embedding(caller, request)
        if embedding is not None and request.embedding_chunk_size:
            embedding = embedding.model_copy(update={"embedding_chunk_size": request.embedding_chunk_size})
        now = datetime.now(UTC)
        folder = Folder(
            **request.model_dump(include={"name", "description", "instructions", "metadata"}),
            id=new_id("source"),
            embedding_config=embedding,
            organization_id=caller.organization_id,
            created_by_id=caller.user_id,
            last_updated_by_id=caller.user_id,
            created_at=now,
            updated_at=now,
        )
        async with self._database.begin() as tx:
            await self._store.insert(tx, folder)
        return folder

    async def get(self, caller: Caller, folder_id: str) -> Folder:
        """One folder. Raises `FolderNotFound`."""
        async with self._database.begin() as tx:
            return await find_folder(self._store, tx, caller.organization_id, folder_id)

    async def get_named(self, caller: Caller, name: str) -> Folder:
        """The folder with a name. Raises `FolderNotFound`."""
        async with self._database.begin() as tx:
            folder = await self._store.find_named(tx, caller.organization_id, name)
        if folder is None:
            raise FolderNotFound(f"with the name {name!r}")
        return folder

    async def list_page(self, caller: Caller, page: Page, *, name: str = "") -> list[Folder]:
        """A page of folders, by creation. Raises `CursorNotFound`."""
        async with self._database.begin() as tx:
            return await self._store.list_page(tx, caller.organization_id, page, name=name)

    async def list_all(self, caller: Caller) -> list[Folder]:
        """All folders, the oldest first."""
        async with self._database.begin() as tx:
            return await self._store.list_all(tx, caller.organization_id)

    async def count(self, caller: Caller) -> int:
        """How many folders there are."""
        async with self._database.begin() as tx:
            return await self._store.count(tx, caller.organization_id)

    async def stats(self, caller: Caller) -> list[FolderStats]:
        """What each folder holds, file by file."""
        async with self._database.begin() as tx:
            return await self._store.stats(tx, caller.organization_id)

    async def update(self, caller: Caller, folder_id: str, request: UpdateFolder) -> Folder:
        """Changes the fields that were sent. Raises `FolderNotFound`, `FolderExists`, `BoundEmbedding`."""
        values = request.model_dump(exclude_unset=True, exclude={"embedding_config"})
        if request.name is None:
            values.pop("name", None)
        organization_id = caller.organization_id
        async with self._database.begin() as tx:
            folder = await find_folder(self._store, tx, organization_id, folder_id, lock=True)
            if request.embedding_config not in (None, folder.embedding_config):
                raise BoundEmbedding("The embedding model of a folder cannot change. Make a new folder for another.")
            values |= {"last_updated_by_id": caller.user_id, "updated_at": datetime.now(UTC)}
            agent_ids = await self._store.lock_agents(tx, organization_id, folder_id)
            changed = await self._store.change(tx, organization_id, folder_id, values)
            await self._prompts.refresh_own(tx, caller.organization_id, agent_ids)
        return changed

    async def delete(self, caller: Caller, folder_id: str) -> None:
        """Deletes a folder with its files, also from its agents. Raises `FolderNotFound`."""
        organization_id = caller.organization_id
        async with self._database.begin() as tx:
            await find_folder(self._store, tx, organization_id, folder_id, lock=True)
            agent_ids = await self._store.lock_agents(tx, organization_id, folder_id)
            await self._store.delete(tx, organization_id, folder_id)
            await self._agent_folders.drop_tools(tx, caller.organization_id, agent_ids)
            await self._prompts.refresh_own(tx, caller.organization_id, agent_ids)


async def find_folder(
    store: Store, tx: Transaction, organization_id: str, folder_id: str, *, lock: bool = False
) -> Folder:
    """One folder. Raises `FolderNotFound`."""
    folder = await store.find(tx, organization_id, folder_id, lock=lock)
    if folder is None:
        raise FolderNotFound(folder_id)
    return folder
