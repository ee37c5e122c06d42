"""Folders over REST."""

from typing import Any

import pytest

from tests.agents.folders.conftest import EMBEDDING, Shelf, make_shelf
from tests.agents.service import ABSENT, Api, Service

KEYS = ["name", "description", "instructions", "metadata", "id", "embedding_config", "organization_id"]
KEYS += ["created_by_id", "last_updated_by_id", "created_at", "updated_at"]


async def test_a_folder_has_what_it_was_made_with(api: Api) -> None:
    body = {"name": "made", "description": "d", "instructions": "i", "metadata": {"a": 1}}

    folder = await api.call("CreateFolder", body | {"embedding": EMBEDDING, "embedding_chunk_size": 77})

    assert list(folder) == KEYS
    assert {key: folder[key] for key in body} == body
    assert folder["id"].startswith("source-")
    assert folder["embedding_config"]["handle"] == EMBEDDING
    assert folder["embedding_config"]["embedding_chunk_size"] == 77
    assert await api.call("GetFolder", folder_id=folder["id"]) == folder


async def test_a_source_is_a_folder_with_its_older_name(api: Api) -> None:
    source = await api.call("CreateSource", {"name": "older"})

    keys = list(source)
    assert keys == [*KEYS[:7], "vector_db_provider", *KEYS[7:]]
    assert source in await api.call("ListSources")
    assert await api.call("GetSourceByName", folder_name="older") == source["id"]
    assert await api.call("CountSources") == await api.call("CountFolders")
    assert (await api.call("UpdateSource", {"description": "new"}, folder_id=source["id"]))["description"] == "new"
    assert (await api.call("GetFolder", folder_id=source["id"]))["description"] == "new"
    assert await api.call("DeleteSource", folder_id=source["id"]) is None


async def test_folders_are_listed_oldest_first_and_by_page(api: Api) -> None:
    made = [(await api.call("CreateFolder", {"name": f"listed {number}"}))["id"] for number in range(3)]

    newest = [one["id"] for one in await api.call("ListFolders", order="desc", limit=2)]
    rest = [one["id"] for one in await api.call("ListFolders", after=made[0])]

    assert newest == made[:0:-1]
    assert rest == made[1:]
    assert [one["id"] for one in await api.call("ListFolders", name="listed 1")] == [made[1]]


async def test_names_of_folders_are_unique(api: Api, shelf: Shelf) -> None:
    other = await api.call("CreateFolder", {"name": "other"})
    taken = shelf.folder["name"]

    made = await api.problem("CreateFolder", {"name": taken})
    renamed = await api.problem("UpdateFolder", {"name": taken}, folder_id=other["id"])

    assert made == renamed == (409, f"A folder with the name {taken!r} already exists.")


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 256}, {"name": 3}])
async def test_a_bad_name_is_refused(api: Api, body: dict[str, Any]) -> None:
    status, detail = await api.problem("CreateFolder", body)

    assert status == 422
    assert "'name'" in detail


async def test_an_unknown_embedding_is_refused(api: Api) -> None:
    assert (await api.problem("CreateFolder", {"name": "unknown", "embedding": "openai/none"}))[0] == 400


async def test_what_is_not_sent_stays(api: Api, service: Service) -> None:
    shelf = await make_shelf(service, "kept", description="d", instructions="i")

    changed = await api.call("UpdateFolder", {"name": "renamed", "instructions": None}, folder_id=shelf.id)

    assert (changed["name"], changed["description"], changed["instructions"]) == ("renamed", "d", None)


async def test_the_embedding_never_changes(api: Api, shelf: Shelf) -> None:
    same = shelf.folder["embedding_config"]

    status, _ = await api.problem(
        "UpdateFolder", {"embedding_config": same | {"embedding_model": "other"}}, folder_id=shelf.id
    )

    assert status == 400
    assert (await api.call("UpdateFolder", {"embedding_config": same}, folder_id=shelf.id))["id"] == shelf.id


async def test_what_folders_hold_is_counted(api: Api, shelf: Shelf) -> None:
    file = await shelf.upload("a.txt", "12345")

    short = await api.call("GetAllFolderStats")
    long = await api.call("GetAllFolderStats", include_detailed_per_source_metadata=True)

    assert short["sources"] == []
    assert short["total_sources"] == await api.call("CountFolders")
    [stats] = [one for one in long["sources"] if one["source_id"] == shelf.id]
    shown = {"file_id": file["id"], "file_name": "a.txt", "file_size": 5}
    name = shelf.folder["name"]
    assert stats == {"source_id": shelf.id, "source_name": name, "file_count": 1, "total_size": 5, "files": [shown]}


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("GetFolder", None),
        ("UpdateFolder", {}),
        ("DeleteFolder", None),
        ("ListFolderFiles", None),
        ("ListFolderPassages", None),
        ("ListFolderAgents", None),
    ],
)
async def test_a_missing_folder_is_404(api: Api, method: str, body: Any) -> None:
    assert (await api.problem(method, body, folder_id=f"source-{ABSENT}"))[0] == 404


async def test_a_deleted_folder_is_gone_from_its_agents(api: Api, shelf: Shelf) -> None:
    agent = await api.create()
    await shelf.add("a.txt", "text")
    await shelf.attach(agent["id"])
    before = await api.call("ListFolderAgents", folder_id=shelf.id)

    await api.call("DeleteFolder", folder_id=shelf.id)
    after = await api.call("GetAgent", agent_id=agent["id"], include=["agent.tools", "agent.sources", "agent.blocks"])

    assert before == [agent["id"]]
    assert (after["sources"], after["memory"]["file_blocks"]) == ([], [])
    assert "grep_files" not in [tool["name"] for tool in after["tools"]]
    assert "<directories>" not in await api.system_message(agent["id"])
    assert (await api.problem("GetFolder", folder_id=shelf.id))[0] == 404
