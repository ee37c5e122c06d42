"""The REST operations of archives, their passages, and agents' archival memory."""

import asyncio
from collections.abc import Sequence

from pydantic import ValidationError

from perdure.agents.v1 import archive_rest_pb2 as rest
from services.agents.agents.agents import Agents
from services.agents.agents.filter import AgentFilter
from services.agents.agents.relations import wanted_relations
from services.agents.archives.archives import ArchiveFilter, Archives
from services.agents.archives.library import Library
from services.agents.archives.storage import Storage
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.errors import Unprocessable
from services.common.rest import print_json
from services.common.validation import list_problems
from services.contract.agents import AgentState
from services.contract.archives import Archive, CreateArchive, UpdateArchive
from services.contract.passages import (
    ArchivalHits,
    ArchivalSearch,
    CreateArchivalMemory,
    CreatePassage,
    CreatePassages,
    DeletedPassage,
    FoundPassage,
    Passage,
    SearchPassages,
)


class ArchiveOperations:
    """What `/v1/archives` does, and giving archives to agents."""

    def __init__(self, archives: Archives, agents: Agents) -> None:
        self._archives = archives
        self._agents = agents

    async def create_archive(self, caller: Caller, _: rest.CreateArchiveQuery, body: CreateArchive) -> Archive:
        """Makes an archive."""
        return await self._archives.create(caller, body)

    async def list_archives(self, caller: Caller, query: rest.ListArchivesQuery, _: None) -> list[Archive]:
        """A page of archives."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await self._archives.list_page(caller, ArchiveFilter(query.name, query.agent_id), page)

    async def get_archive(self, caller: Caller, query: rest.GetArchiveQuery, _: None) -> Archive:
        """One archive."""
        return await self._archives.get(caller, query.archive_id)

    async def update_archive(self, caller: Caller, query: rest.UpdateArchiveQuery, body: UpdateArchive) -> Archive:
        """Changes an archive."""
        return await self._archives.update(caller, query.archive_id, body)

    async def delete_archive(self, caller: Caller, query: rest.DeleteArchiveQuery, _: None) -> None:
        """Deletes an archive."""
        await self._archives.delete(caller, query.archive_id)

    async def list_archive_agents(
        self, caller: Caller, query: rest.ListArchiveAgentsQuery, _: None
    ) -> list[AgentState]:
        """A page of the agents that have an archive."""
        await self._archives.get(caller, query.archive_id)
        return await self._agents.list_page(
            caller,
            AgentFilter(archive_id=query.archive_id),
            Page(query.limit, query.before, query.after, descending=query.order == "desc"),
            order_by="created_at",
            include=wanted_relations(caller, query.include, ()),
        )

    async def attach_archive(self, caller: Caller, query: rest.AttachArchiveQuery, _: None) -> None:
        """Gives an agent an archive."""
        await self._archives.attach(caller, query.agent_id, query.archive_id)

    async def detach_archive(self, caller: Caller, query: rest.DetachArchiveQuery, _: None) -> None:
        """Takes an archive from an agent."""
        await self._archives.detach(caller, query.agent_id, query.archive_id)


class PassageOperations:
    """What is done with passages: of archives, of agents, of all."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def create_passage(self, caller: Caller, query: rest.CreatePassageQuery, body: CreatePassage) -> bytes:
        """Adds a passage to an archive."""
        [passage] = await self._library.add(caller, query.archive_id, [body])
        return await _print(passage)

    async def create_passages(self, caller: Caller, query: rest.CreatePassagesQuery, body: CreatePassages) -> bytes:
        """Adds passages to an archive."""
        return await _print(await self._library.add(caller, query.archive_id, body.passages))

    async def delete_passage(self, caller: Caller, query: rest.DeletePassageQuery, _: None) -> None:
        """Deletes a passage of an archive."""
        await self._library.remove(caller, query.archive_id, query.passage_id)

    async def search_passages(self, caller: Caller, _: rest.SearchPassagesQuery, body: SearchPassages) -> bytes:
        """Finds passages."""
        return await _print(await self._library.search(caller, body))

    async def list_archival_memory(self, caller: Caller, query: rest.ListArchivalMemoryQuery, _: None) -> bytes:
        """A page of an agent's passages."""
        page = Page(query.limit, query.before, query.after, descending=not query.ascending)
        return await _print(await self._library.list_page(caller, query.agent_id, page, containing=query.search))

    async def create_archival_memory(
        self, caller: Caller, query: rest.CreateArchivalMemoryQuery, body: CreateArchivalMemory
    ) -> bytes:
        """Adds a passage to an agent's memory."""
        return await _print(await self._library.remember(caller, query.agent_id, body))

    async def search_archival_memory(
        self, caller: Caller, query: rest.SearchArchivalMemoryQuery, _: None
    ) -> ArchivalHits:
        """Finds passages of an agent."""
        hits = await self._library.recall(caller, query.agent_id, _read_search(query))
        return ArchivalHits(results=hits, count=len(hits))

    async def delete_archival_memory(
        self, caller: Caller, query: rest.DeleteArchivalMemoryQuery, _: None
    ) -> DeletedPassage:
        """Deletes a passage of an agent."""
        await self._library.forget(caller, query.agent_id, query.memory_id)
        return DeletedPassage(message=f"Passage {query.memory_id} was deleted.")


class StorageOperations:
    """What `/v1/embeddings` does."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get_storage_size(self, caller: Caller, _: rest.GetStorageSizeQuery, __: None) -> float:
        """How much room all vectors take, in gigabytes."""
        return await self._storage.measure(caller)


def _read_search(query: rest.SearchArchivalMemoryQuery) -> ArchivalSearch:
    sent = {
        "query": query.query,
        "tags": list(query.tags),
        "tag_match_mode": query.tag_match_mode,
        "top_k": query.top_k,
        "start_datetime": query.start_datetime or None,
        "end_datetime": query.end_datetime or None,
    }
    try:
        return ArchivalSearch.model_validate(sent)
    except ValidationError as exc:
        raise Unprocessable(list_problems(exc, "query")) from exc


async def _print(answer: Passage | Sequence[Passage | FoundPassage]) -> bytes:
    """The answer's JSON, made away from the event loop: every passage has thousands of numbers."""
    return await asyncio.to_thread(print_json, answer)
