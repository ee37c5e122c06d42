"""Passages as users of the API work with them: of one archive, of one agent, of all archives."""

from collections.abc import Sequence

from services.agents.agents.agents import Agents
from services.agents.archives import archives, passages
from services.agents.archives.archival_memory import ArchivalMemory
from services.agents.archives.archives import find_archive
from services.agents.archives.embedding import Embedding, Vectors
from services.agents.archives.passages import PassageNotFound, write_passages
from services.agents.archives.search import Question, find_passages
from services.agents.moments import read_moment
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.contract.archives import Archive
from services.contract.passages import (
    ArchivalHit,
    ArchivalSearch,
    CreateArchivalMemory,
    CreatePassage,
    FoundPassage,
    Passage,
    SearchPassages,
)


class Library:
    """Writes and reads passages in transactions of its own."""

    def __init__(
        self,
        database: Database,
        archives: archives.Store,
        passages: passages.Store,
        agents: Agents,
        memory: ArchivalMemory,
        embedding: Embedding,
    ) -> None:
        self._database = database
        self._archives = archives
        self._passages = passages
        self._agents = agents
        self._memory = memory
        self._embedding = embedding

    async def add(self, caller: Caller, archive_id: str, new: Sequence[CreatePassage]) -> list[Passage]:
        """Adds passages to an archive, all or none. Raises `ArchiveNotFound` and what `Vectors.of` raises."""
        organization_id = caller.organization_id

        async def write(vectors: Vectors) -> list[Passage]:
            async with self._database.begin() as tx:
                archive = await find_archive(self._archives, tx, organization_id, archive_id, lock=True)
                made = await write_passages(tx, self._passages, archive, caller.user_id, new, vectors)
                return await self._passages.find(tx, organization_id, made)

        return await self._embedding.run(write)

    async def remember(self, caller: Caller, agent_id: str, new: CreateArchivalMemory) -> list[Passage]:
        """Adds a passage to an agent's memory. Raises `AgentNotFound` and what `Vectors.of` raises."""
        organization_id = caller.organization_id

        async def write(vectors: Vectors) -> list[Passage]:
            async with self._database.begin() as tx:
                made = await self._memory.insert(tx, organization_id, agent_id, new, vectors)
                return await self._passages.find(tx, organization_id, made)

        return await self._embedding.run(write)

    async def recall(self, caller: Caller, agent_id: str, sent: ArchivalSearch) -> list[ArchivalHit]:
        """What fits best of an agent's memory. Raises `AgentNotFound`."""

        async def read(vectors: Vectors) -> list[ArchivalHit]:
            async with self._database.begin() as tx:
                return await self._memory.search(tx, caller.organization_id, agent_id, sent, vectors)

        return await self._embedding.run(read)

    async def search(self, caller: Caller, sent: SearchPassages) -> list[FoundPassage]:
        """What fits best. Raises `AgentNotFound`, `ArchiveNotFound`."""
        organization_id, store = caller.organization_id, self._passages
        question = Question(
            words=sent.query or "",
            limit=sent.limit,
            tags=sent.tags or (),
            tag_match_mode=sent.tag_match_mode,
            since=read_moment(sent.start_date, end_of_day=False),
            until=read_moment(sent.end_date, end_of_day=True),
        )

        async def read(vectors: Vectors) -> list[FoundPassage]:
            async with self._database.begin() as tx:
                within = await self._choose(tx, organization_id, sent)
                hits = await find_passages(
                    tx, store, organization_id, within=within, question=question, vectors=vectors
                )
                shown = await store.find(tx, organization_id, [hit.passage_id for hit in hits])
            return [FoundPassage(passage=one, score=hit.score) for one, hit in zip(shown, hits, strict=True)]

        return await self._embedding.run(read)

    async def _choose(self, tx: Transaction, organization_id: str, sent: SearchPassages) -> list[Archive]:
        """The archives to search: those of the agent that is named, or of all, and of these the one that is named."""
        if sent.archive_id:
            named = [await find_archive(self._archives, tx, organization_id, sent.archive_id)]
        else:
            named = await self._archives.list_all(tx, organization_id)
        if not sent.agent_id:
            return named
        ids = {archive.id for archive in named}
        return [archive for archive in await self._of_agent(tx, organization_id, sent.agent_id) if archive.id in ids]

    async def list_page(self, caller: Caller, agent_id: str, page: Page, *, containing: str) -> list[Passage]:
        """A page of an agent's passages, by when they were made. Raises `AgentNotFound`, `CursorNotFound`."""
        async with self._database.begin() as tx:
            ids = [archive.id for archive in await self._of_agent(tx, caller.organization_id, agent_id)]
            return await self._passages.list_page(tx, caller.organization_id, ids, page, containing=containing)

    async def forget(self, caller: Caller, agent_id: str, passage_id: str) -> None:
        """Deletes a passage of an agent. Raises `AgentNotFound`, `PassageNotFound`."""
        async with self._database.begin() as tx:
            ids = [archive.id for archive in await self._of_agent(tx, caller.organization_id, agent_id)]
            await self._delete(tx, caller, ids, passage_id)

    async def remove(self, caller: Caller, archive_id: str, passage_id: str) -> None:
        """Deletes a passage of an archive. Raises `ArchiveNotFound`, `PassageNotFound`."""
        async with self._database.begin() as tx:
            await find_archive(self._archives, tx, caller.organization_id, archive_id)
            await self._delete(tx, caller, [archive_id], passage_id)

    async def _of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> list[Archive]:
        await self._agents.find(tx, organization_id, agent_id)
        return await self._archives.of_agent(tx, organization_id, agent_id)

    async def _delete(self, tx: Transaction, caller: Caller, archive_ids: list[str], passage_id: str) -> None:
        if not await self._passages.delete(tx, caller.organization_id, archive_ids, passage_id):
            raise PassageNotFound(passage_id)
