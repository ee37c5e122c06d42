"""Passages: written, listed, searched, deleted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from services.agents.archives.embedding import Vector, Vectors
from services.agents.archives.search import RankedPassages
from services.agents.paging import Page
from services.common.database import Transaction
from services.common.errors import NotFound
from services.common.ids import new_id
from services.contract.archives import Archive
from services.contract.passages import CreateArchivalMemory, CreatePassage, Passage


class PassageNotFound(NotFound):
    """There is no such passage where it was looked for."""

    reason = "PASSAGE_NOT_FOUND"

    def __init__(self, passage_id: str) -> None:
        super().__init__(f"There is no passage {passage_id} here.")


class Store(RankedPassages, Protocol):
    """Where passages are kept. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, new: Sequence[Passage], vectors: Sequence[Vector | None]) -> None:
        """Adds passages with their vectors."""

    async def find(self, tx: Transaction, organization_id: str, passage_ids: Sequence[str]) -> list[Passage]:
        """The passages that exist, in the order of the ids."""

    async def list_page(
        self, tx: Transaction, organization_id: str, archive_ids: Sequence[str], page: Page, *, containing: str
    ) -> list[Passage]:
        """A page of the archives' passages whose text contains these letters, whatever the case."""

    async def delete(self, tx: Transaction, organization_id: str, archive_ids: Sequence[str], passage_id: str) -> bool:
        """Deletes a passage that is in one of the archives, and says whether there was one."""


async def write_passages(
    tx: Transaction,
    store: Store,
    archive: Archive,
    user_id: str | None,
    new: Sequence[CreateArchivalMemory],
    vectors: Vectors,
) -> list[str]:
    """Adds passages to an archive; their ids. One statement. Raises what `Vectors.of` raises."""
    made = vectors.of(archive.organization_id, archive.embedding_config, [one.text for one in new])
    now = datetime.now(UTC)
    passages = [
        _passage(archive, user_id, one, now + timedelta(microseconds=number))  # so that they are listed in this order
        for number, one in enumerate(new)
    ]
    await store.insert(tx, passages, made)
    return [passage.id for passage in passages]


def _passage(archive: Archive, user_id: str | None, new: CreateArchivalMemory, now: datetime) -> Passage:
    return Passage(
        id=new_id("passage"),
        organization_id=archive.organization_id,
        archive_id=archive.id,
        created_by_id=user_id,
        last_updated_by_id=user_id,
        created_at=new.created_at or now,
        updated_at=now,
        text=new.text,
        tags=list(dict.fromkeys(new.tags)) if new.tags is not None else None,
        metadata=new.metadata or {} if isinstance(new, CreatePassage) else {},
        embedding=None,
        embedding_config=archive.embedding_config,
    )
