"""Files in folders over REST."""

import asyncio

import pytest

from tests.agents.folders.conftest import Shelf, make_shelf
from tests.agents.service import ABSENT, Service

KEYS = ["source_id", "file_name", "original_file_name", "file_path", "file_type", "file_size", "file_creation_date"]
KEYS += ["file_last_modified_date", "processing_status", "error_message", "total_chunks", "chunks_embedded", "content"]
KEYS += ["id", "organization_id", "created_at", "updated_at"]


async def test_an_uploaded_file_waits_and_is_completed(shelf: Shelf) -> None:
    sent = await shelf.upload("a.txt", "hello file\nsecond line\n")
    await shelf.process()
    [listed] = await shelf.api.call("ListFolderFiles", folder_id=shelf.id)

    assert list(sent) == KEYS
    assert sent["file_name"] == f"{shelf.folder['name']}/a.txt"
    assert (sent["processing_status"], sent["total_chunks"], sent["chunks_embedded"]) == ("parsing", None, None)
    assert (sent["file_type"], sent["file_size"], sent["source_id"]) == ("text/plain", 23, shelf.id)
    assert (listed["file_name"], listed["original_file_name"]) == ("a.txt", "a.txt")
    assert (listed["processing_status"], listed["total_chunks"], listed["chunks_embedded"]) == ("completed", 1, 1)
    assert (listed["content"], listed["error_message"]) == (None, None)
    assert (await shelf.read(sent["id"]))["content"] == "hello file\nsecond line\n"


async def test_equal_names_get_numbers(shelf: Shelf) -> None:
    for _ in range(3):
        await shelf.upload("test.txt", "text")
    await shelf.upload("Makefile", "all:")
    await shelf.upload("Makefile", "all:")

    assert await shelf.names() == ["test.txt", "test_(1).txt", "test_(2).txt", "Makefile", "Makefile_(1)"]
    files = await shelf.api.call("ListFolderFiles", folder_id=shelf.id, order="asc")
    assert [file["original_file_name"] for file in files[:3]] == ["test.txt"] * 3


async def test_uploads_of_one_name_at_once_all_get_their_own(shelf: Shelf) -> None:
    await asyncio.gather(*(shelf.upload("test.txt", "text") for _ in range(8)))

    assert sorted(await shelf.names()) == sorted(["test.txt", *(f"test_({number}).txt" for number in range(1, 8))])


async def test_a_file_is_replaced(shelf: Shelf) -> None:
    old = await shelf.add("a.txt", "old")
    new = await shelf.add("a.txt", "new", duplicate_handling="replace")

    assert new["id"] != old["id"]
    assert new["content"] == "new"
    assert await shelf.names() == ["a.txt"]
    assert [one["text"] for one in await shelf.api.call("ListFolderPassages", folder_id=shelf.id)] == ["new"]


async def test_a_duplicate_can_be_refused_or_skipped(shelf: Shelf) -> None:
    first = await shelf.upload("a.txt", "first")

    status, detail = await shelf.refusal("a.txt", "second", duplicate_handling="error")
    skipped = await shelf.upload("a.txt", "second", duplicate_handling="skip")

    assert status == 409
    assert "already exists" in detail
    assert skipped["id"] == first["id"]
    assert await shelf.names() == ["a.txt"]


async def test_a_file_can_be_given_another_name(shelf: Shelf) -> None:
    file = await shelf.upload("C:\\docs\\a.txt", "text", name="notes.md")

    assert file["original_file_name"] == "notes.md"
    assert await shelf.names() == ["notes.md"]


@pytest.mark.parametrize(
    ("name", "data", "options", "status", "words"),
    [
        ("folder/", b"x" * 300, {"name": "/"}, 400, "`name`"),
        ("a.txt", b"x", {"name": "x" * 256}, 400, "`name`"),
        ("a.txt", b"x", {"name": "line\nbreak"}, 400, "`name`"),
        ("a.txt", b"x", {"duplicate_handling": "other"}, 422, "duplicate_handling"),
    ],
)
async def test_a_bad_upload_is_refused(
    shelf: Shelf, name: str, data: bytes, options: dict[str, str], status: int, words: str
) -> None:
    refused, detail = await shelf.refusal(name, data, **options)

    assert refused == status
    assert words in detail
    assert await shelf.names() == []


async def test_the_type_is_guessed_from_the_name(shelf: Shelf) -> None:
    file = await shelf.upload("a.pdf", "x", "application/octet-stream")

    assert file["file_type"] == "application/pdf"


async def test_files_are_listed_newest_first_and_by_page(shelf: Shelf) -> None:
    ids = [(await shelf.upload(f"{number}.txt", "text"))["id"] for number in range(3)]

    async def listed(**options: object) -> list[str]:
        return [one["id"] for one in await shelf.api.call("ListFolderFiles", folder_id=shelf.id, **options)]

    assert await listed() == ids[::-1]
    assert await listed(limit=1, after=ids[2]) == [ids[1]]
    assert await listed(before=ids[1]) == [ids[2]]
    assert (await shelf.api.problem("ListFolderFiles", folder_id=shelf.id, after=f"file-{ABSENT}"))[0] == 404


async def test_passages_show_their_file(shelf: Shelf) -> None:
    file = await shelf.add("a.txt", "\n".join(f"Line {number} says something." for number in range(200)))

    passages = await shelf.api.call("ListFolderPassages", folder_id=shelf.id, order="asc")

    assert len(passages) == file["total_chunks"] > 1
    assert {(one["source_id"], one["file_id"], one["file_name"], one["archive_id"]) for one in passages} == {
        (shelf.id, file["id"], "a.txt", None)
    }
    assert passages[0]["text"].startswith("Line 0 says")
    assert len(passages[0]["embedding"]) == 4096


async def test_a_deleted_file_is_gone(shelf: Shelf) -> None:
    file = await shelf.add("a.txt", "text")

    assert await shelf.api.call("DeleteFolderFile", folder_id=shelf.id, file_id=file["id"]) is None

    assert await shelf.names() == []
    assert await shelf.api.call("ListFolderPassages", folder_id=shelf.id) == []
    for method in ("GetFolderFile", "DeleteFolderFile"):
        assert (await shelf.api.problem(method, folder_id=shelf.id, file_id=file["id"]))[0] == 404


async def test_a_file_is_found_in_its_own_folder_only(shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", "text")
    other = await shelf.api.call("CreateFolder", {"name": "another"})

    for method in ("GetFolderFile", "DeleteFolderFile"):
        assert (await shelf.api.problem(method, folder_id=other["id"], file_id=file["id"]))[0] == 404


async def test_the_room_that_vectors_take_is_measured(shelf: Shelf) -> None:
    await shelf.process()  # what other tests left
    before = await shelf.api.call("GetStorageSize")
    await shelf.add("a.txt", "text")
    after = await shelf.api.call("GetStorageSize")

    assert isinstance(before, float)
    assert after - before == pytest.approx(1536 * 4 / 2**30, rel=0.01)


async def test_a_page_with_long_texts_is_shorter(service: Service) -> None:
    shelf = await make_shelf(service, "long texts")
    for number in range(4):
        await shelf.add(f"{number}.txt", "x" * 3_000_000)
    path = {"folder_id": shelf.id, "include_content": True, "order": "asc"}

    first = await shelf.api.call("ListFolderFiles", **path)
    rest = await shelf.api.call("ListFolderFiles", **path, after=first[-1]["id"])

    assert [file["file_name"] for file in first] == ["0.txt", "1.txt"]
    assert [file["file_name"] for file in rest] == ["2.txt", "3.txt"]
    assert {len(file["content"]) for file in first + rest} == {3_000_000}
