"""Passages in Postgres, with pgvector."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, Text, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from services.agents.archives.embedding import Vector
from services.agents.archives.search import Hit, Question, Ranking
from services.agents.archives.store.ranking import score_by
from services.agents.archives.tables import archives, passages
from services.agents.paging import Page
from services.agents.store.keyset import cut
from services.common.database import Transaction
from services.contract.passages import Passage

_FIELDS = tuple(column.name for column in passages.c if column.name != "embedding")
_shown = select(
    *(passages.c[name] for name in _FIELDS),
    cast(passages.c.embedding, Text).label("embedding"),
    archives.c.embedding_config,
).join(archives, archives.c.id == passages.c.archive_id)


class PostgresPassages:
    """The table of passages. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, new: Sequence[Passage], vectors: Sequence[Vector | None]) -> None:
        """One statement, none for no passages."""
        rows = [
            passage.model_dump(include=set(_FIELDS)) | {"embedding": vector}
            for passage, vector in zip(new, vectors, strict=True)
        ]
        if rows:
            await tx.execute(insert(passages), rows)

    async def find(self, tx: Transaction, organization_id: str, passage_ids: Sequence[str]) -> list[Passage]:
        """One statement."""
        query = _shown.where(passages.c.id.in_(passage_ids), passages.c.organization_id == organization_id)
        found = {passage.id: passage for passage in await read_passages(await tx.execute(query))}
        return [found[passage_id] for passage_id in passage_ids if passage_id in found]

    async def list_page(
        self, tx: Transaction, organization_id: str, archive_ids: Sequence[str], page: Page, *, containing: str
    ) -> list[Passage]:
        """One statement, and one for each cursor."""
        query = _shown.where(passages.c.archive_id.in_(archive_ids), passages.c.organization_id == organization_id)
        if containing:
            query = query.where(passages.c.text.icontains(containing, autoescape=True))
        query = await cut(tx, query, page, table=passages, sort=passages.c.created_at, organization_id=organization_id)
        return await read_passages(await tx.execute(query))

    async def delete(self, tx: Transaction, organization_id: str, archive_ids: Sequence[str], passage_id: str) -> bool:
        """One statement."""
        query = delete(passages).where(
            passages.c.id == passage_id,
            passages.c.archive_id.in_(archive_ids),
            passages.c.organization_id == organization_id,
        )
        return (await tx.execute(query)).rowcount > 0

    async def rank(
        self, tx: Transaction, organization_id: str, within: Sequence[str], question: Question, ranking: Ranking
    ) -> list[Hit]:
        """One statement."""
        score, conditions = score_by(ranking, passages.c.embedding, passages.c.text)
        query = (
            select(passages.c.id, passages.c.text, passages.c.tags, passages.c.created_at, score.label("score"))
            .where(passages.c.archive_id.in_(within), passages.c.organization_id == organization_id)
            .where(*conditions, *_limits(question))
            .order_by(score.desc(), passages.c.created_at.desc(), passages.c.id)
            .limit(question.limit)
        )
        return [Hit(row.id, row.text, row.tags or [], row.created_at, row.score) for row in await tx.execute(query)]

    async def count_vector_bytes(self, tx: Transaction, organization_id: str) -> int:
        """One statement."""
        query = select(func.sum(func.pg_column_size(passages.c.embedding)))
        return int(await tx.scalar(query.where(passages.c.organization_id == organization_id)) or 0)


async def read_passages(rows: Any) -> list[Passage]:  # Any: rows with the fields of passages, embeddings as texts
    """The passages; away from the event loop, since a vector has thousands of numbers."""
    return await asyncio.to_thread(lambda fetched: [_passage(row) for row in fetched], rows.all())


def _passage(row: Row[Any]) -> Passage:
    values = dict(row._mapping)  # noqa: SLF001  # the row as a dict
    embedding = None if row.embedding is None else orjson.loads(row.embedding)  # a vector's text is a JSON list
    return Passage.model_validate(values | {"embedding": embedding})


def _limits(question: Question) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if question.tags:
        tags = list(question.tags)
        every = question.tag_match_mode == "all"
        conditions.append(passages.c.tags.contains(tags) if every else passages.c.tags.overlap(tags))
    if question.since:
        conditions.append(passages.c.created_at >= question.since)
    if question.until:
        conditions.append(passages.c.created_at <= question.until)
    return conditions
