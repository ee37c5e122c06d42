"""Files, their texts and their passages, in Postgres."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Text, cast, delete, func, insert, null, select
from sqlalchemy.dialects.postgresql import array

from services.agents.archives.store.passages import read_passages
from services.agents.folders.tables import file_contents, file_passages, files, folders
from services.agents.paging import Page
from services.agents.store.keyset import Rows, cut
from services.common.database import Transaction
from services.contract.files import File
from services.contract.passages import Passage

_OF_WORKERS = ("attempts", "claim", "claimed_until")
_SHOWN = tuple(column for column in files.c if column.key not in _OF_WORKERS)
_plain = select(*_SHOWN, null().label("content"))
_with_text = select(*_SHOWN, file_contents.c.text.label("content")).outerjoin(
    file_contents, file_contents.c.file_id == files.c.id
)
_passages = (
    select(
        file_passages.c.id,
        file_passages.c.organization_id,
        file_passages.c.created_at,
        file_passages.c.created_at.label("updated_at"),
        file_passages.c.text,
        file_passages.c.folder_id.label("source_id"),
        file_passages.c.file_id,
        files.c.file_name,
        cast(file_passages.c.embedding, Text).label("embedding"),
        folders.c.embedding_config,
    )
    .join(files, files.c.id == file_passages.c.file_id)
    .join(folders, folders.c.id == file_passages.c.folder_id)
)


class PostgresFiles:
    """The tables of files. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, file: File, raw: bytes) -> None:
        """Two statements."""
        values = file.model_dump(include={column.key for column in _SHOWN})
        values |= {"folder_id": file.source_id, "attempts": 0, "claimed_until": file.created_at}
        await tx.execute(insert(files).values(values))
        await tx.execute(insert(file_contents).values(file_id=file.id, organization_id=file.organization_id, raw=raw))

    async def names(self, tx: Transaction, organization_id: str, folder_id: str) -> dict[str, str]:
        """One statement."""
        query = _of_folder(select(files.c.file_name, files.c.id), organization_id, folder_id)
        return {row.file_name: row.id for row in await tx.execute(query)}

    async def find(
        self, tx: Transaction, organization_id: str, folder_id: str, file_id: str, *, with_text: bool = False
    ) -> File | None:
        """One statement."""
        query = _of_folder(_with_text if with_text else _plain, organization_id, folder_id)
        row = (await tx.execute(query.where(files.c.id == file_id))).one_or_none()
        return _file(row) if row else None

    async def list_page(self, tx: Transaction, organization_id: str, folder_id: str, page: Page) -> list[File]:
        """One statement, and one for each cursor."""
        query = _of_folder(_plain, organization_id, folder_id)
        query = await cut(tx, query, page, table=files, sort=files.c.created_at, organization_id=organization_id)
        return [_file(row) for row in await tx.execute(query)]

    async def read_texts(
        self, tx: Transaction, organization_id: str, file_ids: Sequence[str], most_bytes: int
    ) -> dict[str, str | None]:
        """One statement."""
        place = func.array_position(array(file_ids), file_contents.c.file_id)
        size = func.coalesce(func.octet_length(file_contents.c.text), 0)
        sized = (
            select(file_contents, func.sum(size).over(order_by=place).label("bytes"))
            .where(file_contents.c.file_id.in_(file_ids), file_contents.c.organization_id == organization_id)
            .subquery()
        )
        fits = (sized.c.bytes <= most_bytes) | (sized.c.file_id == file_ids[0])
        return {row.file_id: row.text for row in await tx.execute(select(sized.c.file_id, sized.c.text).where(fits))}

    async def list_passages(self, tx: Transaction, organization_id: str, folder_id: str, page: Page) -> list[Passage]:
        """One statement, and one for each cursor."""
        query = _passages.where(
            file_passages.c.folder_id == folder_id, file_passages.c.organization_id == organization_id
        )
        sort = file_passages.c.created_at
        query = await cut(tx, query, page, table=file_passages, sort=sort, organization_id=organization_id)
        return await read_passages(await tx.execute(query))

    async def delete(self, tx: Transaction, organization_id: str, folder_id: str, file_id: str) -> bool:
        """One statement."""
        query = delete(files).where(
            files.c.id == file_id, files.c.folder_id == folder_id, files.c.organization_id == organization_id
        )
        return (await tx.execute(query)).rowcount > 0


def _of_folder(query: Rows, organization_id: str, folder_id: str) -> Rows:
    return query.where(files.c.folder_id == folder_id, files.c.organization_id == organization_id)


def _file(row: Row[Any]) -> File:
    values = dict(row._mapping)  # noqa: SLF001  # the row as a dict
    return File.model_validate({**values, "source_id": values["folder_id"]})
