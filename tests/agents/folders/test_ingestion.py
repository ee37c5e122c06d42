"""Processing uploaded files, also when it is broken off."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.agents.archives.embedding import Embedding, Vector
from services.agents.folders.ingestion import MAX_ATTEMPTS, Ingestion, Job, Pace
from services.agents.folders.store.queue import PostgresFileQueue
from services.common.database import Transaction
from services.common.ids import new_id
from tests.agents.folders.conftest import Shelf, make_shelf
from tests.agents.service import Service
from tests.e2e.waiting import eventually

LONG = "\n".join(f"Line {number} says something about pumps." for number in range(2000))
DEAD = timedelta(seconds=-1)  # a lease that has ended already


async def claim(service: Service, lease: timedelta) -> Job:
    """The next job, as a process that says nothing more holds it."""
    async with service.database.begin() as tx:
        job = await PostgresFileQueue().claim(tx, new_id("claim"), lease)
    assert job is not None
    return job


async def state(shelf: Shelf, file: Any) -> tuple[str, str | None]:
    read = await shelf.read(file["id"])
    return read["processing_status"], read["error_message"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.md", "# Title\n\nText"),
        ("a.json", '{"a": [1, 2, 3]}'),
        ("a.csv", "a;b\n1;2"),
        ("a.py", "def f() -> None:\n    pass\n"),
        ("a.txt", "Größe und Maß: schöne Hüte für ältere Bäcker".encode("latin-1")),
    ],
)
async def test_text_of_any_kind_is_completed(shelf: Shelf, name: str, data: bytes | str) -> None:
    file = await shelf.add(name, data)

    assert (file["processing_status"], file["chunks_embedded"]) == ("completed", file["total_chunks"])


async def test_a_file_without_text_ends_with_the_reason(shelf: Shelf) -> None:
    file = await shelf.add("a.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)

    assert (file["processing_status"], file["error_message"]) == ("error", "The file is neither text nor a PDF.")


async def test_an_empty_file_is_completed(shelf: Shelf) -> None:
    file = await shelf.add("a.txt", "")

    assert (file["processing_status"], file["total_chunks"]) == ("completed", 0)


async def test_without_a_model_files_are_text_only(service: Service) -> None:
    shelf = await make_shelf(service, "text only")

    file = await shelf.add("a.txt", LONG)

    assert file["processing_status"] == "completed"
    assert file["chunks_embedded"] == 0 < file["total_chunks"]


async def test_a_model_that_fails_is_asked_again_and_then_given_up(service: Service) -> None:
    shelf = await make_shelf(service, "broken", embedding="openai/broken")

    file = await shelf.add("a.txt", "text")

    assert (file["processing_status"], file["error_message"]) == ("error", "openai/broken is overloaded")
    assert file["content"] == "text"


async def test_the_wrong_vectors_are_an_error(service: Service) -> None:
    shelf = await make_shelf(service, "short", embedding="openai/short")

    file = await shelf.add("a.txt", "text")

    assert file["processing_status"] == "error"
    assert "8 numbers" in file["error_message"]


async def test_what_a_dead_process_left_is_done_by_another(shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", "text")
    await claim(shelf.service, DEAD)

    await shelf.process()

    assert await state(shelf, file) == ("completed", None)


async def test_a_process_that_stops_leaves_its_file_to_others_at_once(shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", "text")
    stopping = ingestion(shelf.service, Stopping(), None, lease=timedelta(minutes=1))

    with pytest.raises(asyncio.CancelledError):
        await stopping.process_next()
    await shelf.process()

    assert await state(shelf, file) == ("completed", None)


async def test_a_claimed_file_is_left_to_its_owner(shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", "text")
    job = await claim(shelf.service, timedelta(minutes=1))

    await shelf.process()
    waiting = await state(shelf, file)
    async with shelf.service.database.begin() as tx:
        await PostgresFileQueue().renew(tx, job, DEAD)
    await shelf.process()

    assert waiting == ("parsing", None)
    assert await state(shelf, file) == ("completed", None)


async def test_a_late_owner_changes_nothing(shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", "text")
    late, queue = await claim(shelf.service, DEAD), PostgresFileQueue()
    await shelf.process()

    async with shelf.service.database.begin() as tx:
        held = await queue.hold(tx, late)
        await queue.finish(tx, late, error="late")

    assert not held
    assert await state(shelf, file) == ("completed", None)


async def test_a_file_that_ends_every_process_is_given_up(shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", "text")
    for _ in range(MAX_ATTEMPTS):
        await claim(shelf.service, DEAD)

    await shelf.process()

    assert await state(shelf, file) == ("error", f"Processing broke off {MAX_ATTEMPTS} times.")


class Interrupting:
    """Ends the process, so to say, after it has made so many batches of vectors."""

    def __init__(self, batches: int) -> None:
        self._left = batches
        self.texts: list[str] = []

    async def embed(self, organization_id: str, handle: str, texts: list[str]) -> list[Vector]:
        if not self._left:
            raise asyncio.CancelledError
        self._left -= 1
        self.texts += texts
        return [[0.5] * 1536 for _ in texts]


class Deleting:
    """Reads text, and has the file or its folder deleted meanwhile."""

    def __init__(self, shelf: Shelf, file: Any, method: str) -> None:
        self._shelf = shelf
        self._file = file
        self._method = method

    async def read(self, data: bytes) -> str:
        query = {"folder_id": self._shelf.id} | ({"file_id": self._file["id"]} if "File" in self._method else {})
        await self._shelf.api.call(self._method, **query)
        return data.decode()


class NoAudience:
    """Nobody has the folder."""

    async def hold(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        pass

    async def show_new(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        pass


class Decoding:
    """Reads text."""

    async def read(self, data: bytes) -> str:
        return data.decode()


class Stopping:
    """Is told to stop while it reads."""

    async def read(self, data: bytes) -> str:
        raise asyncio.CancelledError


def ingestion(service: Service, reader: Any, embedder: Any, lease: timedelta = DEAD) -> Ingestion:
    return Ingestion(
        service.database,
        PostgresFileQueue(),
        reader,
        NoAudience(),
        Embedding(embedder),
        uploaded=asyncio.Event(),
        pace=Pace(lease=lease),
    )


async def test_embedding_goes_on_where_it_was_broken_off(shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", LONG)
    first, second = Interrupting(1), Interrupting(99)

    with pytest.raises(asyncio.CancelledError):
        await ingestion(shelf.service, Decoding(), first).process_next()
    between = await shelf.read(file["id"])
    await ingestion(shelf.service, Decoding(), second).process_next()

    assert (between["processing_status"], between["chunks_embedded"]) == ("embedding", 32)
    assert await state(shelf, file) == ("completed", None)
    assert len(first.texts) == 32
    assert len(first.texts) + len(second.texts) == between["total_chunks"]


@pytest.mark.parametrize("method", ["DeleteFolderFile", "DeleteFolder"])
async def test_a_file_may_be_deleted_while_it_is_read(shelf: Shelf, method: str) -> None:
    file = await shelf.upload("a.txt", "text")

    assert await ingestion(shelf.service, Deleting(shelf, file, method), None).process_next()

    assert (await shelf.api.problem("GetFolderFile", folder_id=shelf.id, file_id=file["id"]))[0] == 404


async def test_an_upload_wakes_the_processing(shelf: Shelf) -> None:
    running = asyncio.create_task(shelf.service.ingestion.run())
    file = await shelf.upload("a.txt", "text")

    async def is_completed() -> bool:
        return (await state(shelf, file))[0] == "completed"

    await eventually(is_completed)
    running.cancel()
