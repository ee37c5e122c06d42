"""Archives: made, read, listed, changed, deleted, given to agents and taken away."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from services.agents.agents.agents import Agents
from services.agents.agents.creation import Creation
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import NotFound
from services.common.ids import new_id
from services.contract.agents import AgentState
from services.contract.archives import Archive, CreateArchive, UpdateArchive
from services.contract.model_configs import EmbeddingConfig


class ArchiveNotFound(NotFound):
    """There is no such archive."""

    reason = "ARCHIVE_NOT_FOUND"


@dataclass(frozen=True)
class ArchiveFilter:
    """Which archives a list has. Empty texts leave nothing out."""

    name: str = ""
    agent_id: str = ""


class Store(Protocol):
    """Where archives are kept. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, archive: Archive) -> None:
        """Adds an archive."""

    async def make_own(self, tx: Transaction, agent_id: str, archive: Archive) -> None:
        """Adds an archive made for an agent and gives it to the agent, unless one was made for it before."""

    async def find(
        self, tx: Transaction, organization_id: str, archive_id: str, *, lock: bool = False
    ) -> Archive | None:
        """An archive; `lock` keeps it from being deleted until the transaction ends."""

    async def list_page(
        self, tx: Transaction, organization_id: str, wanted: ArchiveFilter, page: Page
    ) -> list[Archive]:
        """A page of archives."""

    async def list_all(self, tx: Transaction, organization_id: str) -> list[Archive]:
        """All archives."""

    async def of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> list[Archive]:
        """The archives of an agent, in the order in which it got them, kept from being deleted meanwhile."""

    async def change(
        self, tx: Transaction, organization_id: str, archive_id: str, values: Mapping[str, Any]
    ) -> Archive | None:
        """Changes fields of an archive that there may not be."""

    async def delete(self, tx: Transaction, organization_id: str, archive_id: str) -> bool:
        """Deletes an archive with its passages, and says whether there was one."""

    async def attach(self, tx: Transaction, organization_id: str, agent_id: str, archive_id: str) -> None:
        """Gives an archive to an agent, which may have it."""

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, archive_id: str) -> None:
        """Takes an archive from an agent, which need not have it; from then on it is nobody's own."""


class Archives:
    """The archives of all organisations."""

    def __init__(self, database: Database, store: Store, agents: Agents, creation: Creation) -> None:
        self._database = database
        self._store = store
        self._agents = agents
        self._creation = creation

    async def create(self, caller: Caller, request: CreateArchive) -> Archive:
        """Makes an archive. Raises `UnknownEmbedding`."""
        embedding = await self._creation.choose_embedding(caller, request)
        archive = make_archive(caller.organization_id, caller.user_id, request.name, embedding)
        archive.description = request.description
        async with self._database.begin() as tx:
            await self._store.insert(tx, archive)
        return archive

    async def get(self, caller: Caller, archive_id: str) -> Archive:
        """One archive. Raises `ArchiveNotFound`."""
        async with self._database.begin() as tx:
            return await find_archive(self._store, tx, caller.organization_id, archive_id)

    async def list_page(self, caller: Caller, wanted: ArchiveFilter, page: Page) -> list[Archive]:
        """A page of archives. Raises `CursorNotFound`."""
        async with self._database.begin() as tx:
            return await self._store.list_page(tx, caller.organization_id, wanted, page)

    async def update(self, caller: Caller, archive_id: str, request: UpdateArchive) -> Archive:
        """Changes the fields that were sent. Raises `ArchiveNotFound`."""
        values = request.model_dump(exclude_unset=True)
        if request.name is None:
            values.pop("name", None)
        values |= {"last_updated_by_id": caller.user_id, "updated_at": datetime.now(UTC)}
        async with self._database.begin() as tx:
            changed = await self._store.change(tx, caller.organization_id, archive_id, values)
        return _found(changed, archive_id)

    async def delete(self, caller: Caller, archive_id: str) -> None:
        """Deletes an archive with its passages, for all agents that have it. Raises `ArchiveNotFound`."""
        async with self._database.begin() as tx:
            if not await self._store.delete(tx, caller.organization_id, archive_id):
                raise ArchiveNotFound(f"There is no archive {archive_id}.")

    async def attach(self, caller: Caller, agent_id: str, archive_id: str) -> None:
        """Gives an agent an archive; one that it has stays. Raises `AgentNotFound`, `ArchiveNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            await find_archive(self._store, tx, caller.organization_id, archive_id, lock=True)
            await self._store.attach(tx, caller.organization_id, agent_id, archive_id)

    async def detach(self, caller: Caller, agent_id: str, archive_id: str) -> None:
        """Takes an archive from an agent; the archive stays. Raises `AgentNotFound`, `ArchiveNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            await find_archive(self._store, tx, caller.organization_id, archive_id, lock=True)
            await self._store.detach(tx, caller.organization_id, agent_id, archive_id)


async def find_archive(
    store: Store, tx: Transaction, organization_id: str, archive_id: str, *, lock: bool = False
) -> Archive:
    """One archive. Raises `ArchiveNotFound`."""
    return _found(await store.find(tx, organization_id, archive_id, lock=lock), archive_id)


def _found(archive: Archive | None, archive_id: str) -> Archive:
    if archive is None:
        raise ArchiveNotFound(f"There is no archive {archive_id}.")
    return archive


def make_archive(organization_id: str, user_id: str | None, name: str, embedding: EmbeddingConfig | None) -> Archive:
    """A new archive, bound to an embedding model or to none."""
    now = datetime.now(UTC)
    return Archive(
        id=new_id("archive"),
        organization_id=organization_id,
        created_by_id=user_id,
        last_updated_by_id=user_id,
        created_at=now,
        updated_at=now,
        name=name,
        embedding_config=embedding,
    )


def make_own_archive(organization_id: str, agent: AgentState) -> Archive:
    """The archive that an agent gets with its first passage, bound to the agent's embedding model of that time."""
    archive = make_archive(organization_id, agent.created_by_id, f"{agent.name}'s Archive", agent.embedding_config)
    archive.description = "Made with the agent's first passage."
    return archive
