"""Processing uploaded files: their text is read, cut into pieces, and the pieces get vectors.

A file waits in the database until a replica claims it. A claim ends by itself when its owner no longer renews it, and
what a late owner writes is refused; who comes next goes on where the last transaction ended.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pydantic import BaseModel

from services.agents.archives.embedding import Embedding, Vector, Vectors
from services.agents.folders.chunks import cut_text
from services.common.database import Database, Transaction
from services.common.errors import Conflict, DeadlineExceeded, PerdureError, ResourceExhausted, Superseded, Unavailable
from services.common.ids import new_id
from services.contract.model_configs import DEFAULT_EMBEDDING_CHUNK_SIZE, EmbeddingConfig

log = logging.getLogger(__name__)

WORKERS = 2  # files processed at once by one replica
POLL_S = 2.0  # seconds between two looks for files that another replica took in or left behind
MAX_ATTEMPTS = 5  # claims of one file that bring nothing; one whose processing ends the process must not do so for ever
TRANSIENT = (Unavailable, ResourceExhausted, DeadlineExceeded)


class Job(BaseModel):
    """A claimed file. `is_read`: its text and pieces are stored; `attempts`: claims that brought nothing, with this."""

    organization_id: str
    folder_id: str
    file_id: str
    claim: str
    attempts: int
    is_read: bool
    embedding_config: EmbeddingConfig | None


@dataclass(frozen=True)
class Piece:
    """A piece of a file, by the id of its passage."""

    id: str
    text: str


@dataclass(frozen=True)
class Pace:
    """How long a claim is good without being renewed, and how long a file waits after its model could not answer."""

    lease: timedelta = timedelta(seconds=15)
    retry: timedelta = timedelta(seconds=5)


class ClaimLost(Superseded):
    """Another owner has the file, or it is gone."""

    reason = "CLAIM_LOST"


class TooManyAttempts(Conflict):
    """The file is not tried again."""

    reason = "TOO_MANY_ATTEMPTS"


class Queue(Protocol):
    """Where files wait. Every method runs in the transaction of its caller."""

    async def claim(self, tx: Transaction, claim: str, lease: timedelta) -> Job | None:
        """The file that waits longest, for so long."""

    async def renew(self, tx: Transaction, job: Job, lease: timedelta) -> None:
        """Keeps a claim for so long from now on."""

    async def hold(self, tx: Transaction, job: Job) -> bool:
        """Whether the claim is still good; if so, nobody takes it until the transaction ends."""

    async def read_raw(self, tx: Transaction, job: Job) -> bytes:
        """What was uploaded."""

    async def store_text(self, tx: Transaction, job: Job, text: str, pieces: Sequence[str]) -> None:
        """Keeps the text in place of what was uploaded, and its pieces."""

    async def next_pieces(self, tx: Transaction, job: Job, limit: int) -> list[Piece]:
        """The first pieces without a vector."""

    async def store_vectors(self, tx: Transaction, job: Job, vectors: Mapping[str, Vector]) -> None:
        """Keeps the vectors of pieces, by id."""

    async def finish(self, tx: Transaction, job: Job, *, error: str | None = None) -> None:
        """Ends the processing of a file, with an error or without."""

    async def release(self, tx: Transaction, job: Job, delay: timedelta) -> None:
        """Lets others claim the file after a while."""


class Reader(Protocol):
    """What turns a file into text."""

    async def read(self, data: bytes) -> str:
        """The text. Raises `InvalidArgument` for what holds none."""


class Audience(Protocol):
    """The agents that have a folder."""

    async def hold(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        """Lets no other agent get the folder until the transaction ends."""

    async def show_new(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        """Opens the files of a folder that its agents have not seen."""


class Ingestion:
    """Processes files, one after another, until cancelled."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        reader: Reader,
        audience: Audience,
        embedding: Embedding,
        *,
        uploaded: asyncio.Event,
        pace: Pace = Pace(),
    ) -> None:
        self._database = database
        self._queue = queue
        self._reader = reader
        self._audience = audience
        self._embedding = embedding
        self._uploaded = uploaded
        self._pace = pace

    async def run(self) -> None:
        """Processes what waits, several files at once."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            try:
                found = await self.process_next()
            except Exception:
                log.exception("a file could not be processed")
                found = False
            if not found:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._uploaded.wait(), POLL_S)
                self._uploaded.clear()

    async def process_next(self) -> bool:
        """Processes the file that waits longest; says whether there was one."""
        async with self._database.begin() as tx:
            job = await self._queue.claim(tx, new_id("claim"), self._pace.lease)
        if job is None:
            return False
        try:
            async with self._renewing(job):
                await self._process(job)
        except asyncio.CancelledError:  # the service stops; others need not wait for the claim to end
            await self._release(job, timedelta(0))
            raise
        except ClaimLost:
            log.info("file %s was deleted or taken over", job.file_id)
        except PerdureError as exc:
            await self._give_up(job, exc)
        return True

    async def _process(self, job: Job) -> None:
        if job.attempts > MAX_ATTEMPTS:
            raise TooManyAttempts(f"Processing broke off {MAX_ATTEMPTS} times.")
        if not job.is_read:
            await self._read(job)
        if job.embedding_config is not None:
            while await self._embed_next(job, job.embedding_config):
                pass
        async with self._database.begin() as tx:
            await self._queue.finish(tx, job)

    async def _read(self, job: Job) -> None:
        """Stores the text and its pieces, and shows the file to the agents, in one transaction."""
        async with self._database.begin() as tx:
            raw = await self._queue.read_raw(tx, job)
        text = await self._reader.read(raw)
        config = job.embedding_config
        tokens = (config.embedding_chunk_size if config else None) or DEFAULT_EMBEDDING_CHUNK_SIZE
        pieces = await asyncio.to_thread(cut_text, text, tokens)
        async with self._database.begin() as tx:
            await self._audience.hold(tx, job.organization_id, job.folder_id)
            await self._check(tx, job)
            await self._queue.store_text(tx, job, text, pieces)
            await self._audience.show_new(tx, job.organization_id, job.folder_id)

    async def _embed_next(self, job: Job, config: EmbeddingConfig) -> bool:
        """Gives the next pieces their vectors; says whether there were any."""
        async with self._database.begin() as tx:
            pieces = await self._queue.next_pieces(tx, job, config.batch_size)

        async def store(vectors: Vectors) -> None:
            made = vectors.of(job.organization_id, config, [piece.text for piece in pieces])
            by_id = {piece.id: vector for piece, vector in zip(pieces, made, strict=True) if vector is not None}
            async with self._database.begin() as tx:
                await self._check(tx, job)
                await self._queue.store_vectors(tx, job, by_id)

        if pieces:
            await self._embedding.run(store)
        return bool(pieces)

    async def _check(self, tx: Transaction, job: Job) -> None:
        if not await self._queue.hold(tx, job):
            raise ClaimLost(f"Another has file {job.file_id}.")

    async def _give_up(self, job: Job, failure: PerdureError) -> None:
        """Puts the file back where it may go better later, else says what is wrong with it."""
        log.warning("file %s: %s", job.file_id, failure)
        if isinstance(failure, TRANSIENT) and job.attempts < MAX_ATTEMPTS:
            await self._release(job, self._pace.retry * job.attempts)
        else:
            async with self._database.begin() as tx:
                await self._queue.finish(tx, job, error=str(failure))

    async def _release(self, job: Job, delay: timedelta) -> None:
        async with self._database.begin() as tx:
            await self._queue.release(tx, job, delay)

    @asynccontextmanager
    async def _renewing(self, job: Job) -> AsyncIterator[None]:
        renewal = asyncio.create_task(self._renew_forever(job))
        try:
            yield
        finally:
            renewal.cancel()

    async def _renew_forever(self, job: Job) -> None:
        while True:
            await asyncio.sleep(self._pace.lease.total_seconds() / 3)
            with suppress(Unavailable):  # the next may go through
                async with self._database.begin() as tx:
                    await self._queue.renew(tx, job, self._pace.lease)
