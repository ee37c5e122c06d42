"""Files that wait to be processed, in Postgres: claimed by one process at a time, which has to say that it lives."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Select, bindparam, func, insert, select, update

from services.agents.archives.embedding import Vector
from services.agents.folders.ingestion import Job, Piece
from services.agents.folders.tables import file_contents, file_passages, files, folders
from services.common.database import Transaction
from services.common.ids import new_id

_WAITING = ("parsing", "embedding")
_next = (
    select(files.c.id)
    .where(files.c.processing_status.in_(_WAITING), files.c.claimed_until <= func.now())
    .order_by(files.c.claimed_until)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_SET_VECTOR = (
    update(file_passages).where(file_passages.c.id == bindparam("piece_id")).values(embedding=bindparam("vector"))
)


class PostgresFileQueue:
    """The waiting files. Every method runs in the transaction of its caller; one statement where no number is said."""

    async def claim(self, tx: Transaction, claim: str, lease: timedelta) -> Job | None:
        """The file that waits longest, for so long. Two statements, one where none waits."""
        taken = (
            update(files)
            .where(files.c.id == _next)
            .values(claim=claim, claimed_until=func.now() + lease, attempts=files.c.attempts + 1)
        )
        file_id = await tx.scalar(taken.returning(files.c.id))
        return await self._read(tx, file_id) if file_id else None

    async def _read(self, tx: Transaction, file_id: str) -> Job:
        query = (
            select(
                files.c.organization_id,
                files.c.folder_id,
                files.c.id.label("file_id"),
                files.c.claim,
                files.c.attempts,
                (files.c.processing_status == "embedding").label("is_read"),
                folders.c.embedding_config,
            )
            .join(folders, folders.c.id == files.c.folder_id)
            .where(files.c.id == file_id)
        )
        return Job.model_validate((await tx.execute(query)).one()._mapping)  # noqa: SLF001  # the row as a dict

    async def renew(self, tx: Transaction, job: Job, lease: timedelta) -> None:
        """Keeps a claim for so long from now on."""
        await tx.execute(update(files).where(*_claimed(job)).values(claimed_until=func.now() + lease))

    async def hold(self, tx: Transaction, job: Job) -> bool:
        """Whether the claim is still good; if so, nobody takes it until the transaction ends."""
        held: Select[str] = select(files.c.id).where(*_claimed(job)).with_for_update(key_share=True)
        return await tx.scalar(held) is not None

    async def read_raw(self, tx: Transaction, job: Job) -> bytes:
        """What was uploaded."""
        query = select(file_contents.c.raw).where(*_content_of(job))
        return await tx.scalar(query) or b""

    async def store_text(self, tx: Transaction, job: Job, text: str, pieces: Sequence[str]) -> None:
        """Keeps the text in place of what was uploaded, and its pieces. Three statements, two for an empty file."""
        await tx.execute(update(file_contents).where(*_content_of(job)).values(raw=None, text=text))
        now = datetime.now(UTC)
        rows = [
            {
                "id": new_id("passage"),
                "organization_id": job.organization_id,
                "folder_id": job.folder_id,
                "file_id": job.file_id,
                "position": position,
                "created_at": now + timedelta(microseconds=position),  # so that they are listed in this order
                "text": piece,
            }
            for position, piece in enumerate(pieces)
        ]
        if rows:
            await tx.execute(insert(file_passages), rows)
        values = {"processing_status": "embedding", "total_chunks": len(pieces), "chunks_embedded": 0}
        await self._change(tx, job, values)

    async def next_pieces(self, tx: Transaction, job: Job, limit: int) -> list[Piece]:
        """The first pieces without a vector."""
        query = (
            select(file_passages.c.id, file_passages.c.text)
            .where(
                file_passages.c.file_id == job.file_id,
                file_passages.c.organization_id == job.organization_id,
                file_passages.c.embedding.is_(None),
            )
            .order_by(file_passages.c.position)
            .limit(limit)
        )
        return [Piece(row.id, row.text) for row in await tx.execute(query)]

    async def store_vectors(self, tx: Transaction, job: Job, vectors: Mapping[str, Vector]) -> None:
        """Keeps the vectors of pieces, by id. Two statements."""
        await tx.execute(_SET_VECTOR, [{"piece_id": one, "vector": vector} for one, vector in vectors.items()])
        await self._change(tx, job, {"chunks_embedded": files.c.chunks_embedded + len(vectors), "attempts": 0})

    async def finish(self, tx: Transaction, job: Job, *, error: str | None = None) -> None:
        """Ends the processing of a file, with an error or without."""
        values = {"processing_status": "error" if error else "completed", "error_message": error, "claim": None}
        await self._change(tx, job, values)

    async def release(self, tx: Transaction, job: Job, delay: timedelta) -> None:
        """Lets others claim the file after a while."""
        await self._change(tx, job, {"claim": None, "claimed_until": func.now() + delay})

    async def _change(self, tx: Transaction, job: Job, values: Mapping[str, object]) -> None:
        await tx.execute(update(files).where(*_claimed(job)).values({**values, "updated_at": func.now()}))


def _claimed(job: Job) -> tuple[ColumnElement[bool], ...]:
    return (
        files.c.id == job.file_id,
        files.c.claim == job.claim,
        files.c.organization_id == job.organization_id,
    )


def _content_of(job: Job) -> tuple[ColumnElement[bool], ...]:
    return file_contents.c.file_id == job.file_id, file_contents.c.organization_id == job.organization_id
