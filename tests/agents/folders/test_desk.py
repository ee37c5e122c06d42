"""Files that agents have open."""

import pytest

from tests.agents.folders.conftest import Shelf, open_files
from tests.agents.service import ABSENT


async def fill(shelf: Shelf, count: int) -> list[str]:
    """The ids of new files 0.txt, 1.txt, …"""
    return [(await shelf.add(f"{number}.txt", f"text {number}"))["id"] for number in range(count)]


async def names(shelf: Shelf, agent_id: str) -> list[str]:
    """The names of the open files."""
    return sorted(path.rpartition("/")[2] for path in await open_files(shelf.api, agent_id))


async def test_the_newest_files_are_open_where_there_is_no_room_for_all(shelf: Shelf) -> None:
    await fill(shelf, 4)

    agent = await shelf.api.create(folder_ids=[shelf.id], max_files_open=2)

    assert await names(shelf, agent["id"]) == ["2.txt", "3.txt"]
    assert len(agent["memory"]["file_blocks"]) == 4


async def test_opening_closes_the_file_used_longest_ago(shelf: Shelf) -> None:
    ids = await fill(shelf, 3)
    agent = await shelf.api.create(folder_ids=[shelf.id], max_files_open=2)

    closed = await shelf.api.call("OpenFile", agent_id=agent["id"], file_id=ids[0])
    again = await shelf.api.call("OpenFile", agent_id=agent["id"], file_id=ids[2])
    last = await shelf.api.call("OpenFile", agent_id=agent["id"], file_id=ids[1])

    folder = shelf.folder["name"]
    assert (closed, again, last) == ([f"{folder}/1.txt"], [], [f"{folder}/0.txt"])
    assert await names(shelf, agent["id"]) == ["1.txt", "2.txt"]


async def test_files_are_closed(shelf: Shelf) -> None:
    ids = await fill(shelf, 3)
    agent = await shelf.api.create(folder_ids=[shelf.id])

    one = await shelf.api.call("CloseFile", agent_id=agent["id"], file_id=ids[1])
    rest = await shelf.api.call("CloseAllFiles", agent_id=agent["id"])
    none = await shelf.api.call("CloseAllFiles", agent_id=agent["id"])

    folder = shelf.folder["name"]
    assert list(one) == ["message"]
    assert (rest, none) == ([f"{folder}/0.txt", f"{folder}/2.txt"], [])
    assert await names(shelf, agent["id"]) == []


async def test_an_agent_s_files_are_listed_by_page(shelf: Shelf) -> None:
    ids = await fill(shelf, 3)
    agent = await shelf.api.create(folder_ids=[shelf.id], max_files_open=2)
    path = {"agent_id": agent["id"]}

    page = await shelf.api.call("ListAgentFiles", **path, limit=2)
    rest = await shelf.api.call("ListAgentFiles", **path, cursor=page["next_cursor"])
    closed = await shelf.api.call("ListAgentFiles", **path, is_open=False)
    none = await shelf.api.call("ListAgentFiles", **path, after=rest["next_cursor"])

    assert [one["file_id"] for one in page["files"] + rest["files"]] == ids[::-1]
    assert (page["has_more"], rest["has_more"]) == (True, False)
    assert none == {"files": [], "next_cursor": None, "has_more": False}
    first = page["files"][0]
    keys = ["id", "file_id", "file_name", "folder_id", "folder_name", "is_open", "last_accessed_at"]
    assert list(first) == [*keys, "visible_content", "start_line", "end_line"]
    assert first["id"].startswith("file_agent-")
    assert (first["file_name"], first["folder_id"]) == (f"{shelf.folder['name']}/2.txt", shelf.id)
    assert first["visible_content"] == "[Viewing file start (out of 1 lines)]\n1: text 2"
    assert [(one["file_id"], one["visible_content"]) for one in closed["files"]] == [(ids[0], None)]


async def test_new_limits_hold_at_once(shelf: Shelf) -> None:
    await shelf.add("long.txt", "x" * 400)
    await fill(shelf, 2)
    agent = await shelf.api.create(folder_ids=[shelf.id], max_files_open=3, per_file_view_window_char_limit=100)

    async def update(**limits: int) -> list[int]:
        await shelf.api.call("UpdateAgent", limits, agent_id=agent["id"])
        return sorted(len(text) for text in (await open_files(shelf.api, agent["id"])).values())

    assert await update(per_file_view_window_char_limit=1000) == [47, 47, 441]
    assert await update(per_file_view_window_char_limit=50) == [47, 47, 50]
    assert await update(max_files_open=1) == [47]
    assert await update(max_files_open=0) == []
    assert "max_files_open=0" in await shelf.api.system_message(agent["id"])


async def test_an_agent_that_may_have_no_file_open_opens_none(shelf: Shelf) -> None:
    [file_id] = await fill(shelf, 1)
    agent = await shelf.api.create(folder_ids=[shelf.id])
    await shelf.api.call("UpdateAgent", {"max_files_open": 0}, agent_id=agent["id"])

    status, detail = await shelf.api.problem("OpenFile", agent_id=agent["id"], file_id=file_id)

    assert status == 400
    assert "max_files_open" in detail


@pytest.mark.parametrize("method", ["OpenFile", "CloseFile"])
async def test_a_file_that_the_agent_has_not_is_404(shelf: Shelf, method: str) -> None:
    [file_id] = await fill(shelf, 1)
    agent = await shelf.api.create()

    stranger = await shelf.api.problem(method, agent_id=agent["id"], file_id=file_id)
    nobody = await shelf.api.problem(method, agent_id=f"agent-{ABSENT}", file_id=file_id)

    assert (stranger[0], nobody[0]) == (404, 404)


async def test_a_file_that_is_not_read_yet_cannot_be_opened(shelf: Shelf) -> None:
    agent = await shelf.api.create(folder_ids=[shelf.id])
    file = await shelf.upload("a.txt", "text")

    assert (await shelf.api.problem("OpenFile", agent_id=agent["id"], file_id=file["id"]))[0] == 404
    assert (await shelf.api.call("ListAgentFiles", agent_id=agent["id"]))["files"] == []
