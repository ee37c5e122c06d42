"""The file tools of agents, as a turn runs them."""

from typing import Any

import pytest

from tests.agents.folders.conftest import EMBEDDING, Shelf, make_shelf, open_files
from tests.agents.memory.test_memory_tools import Talk
from tests.agents.service import Service

LINES = "\n".join(f"Line {number} of the log." for number in range(1, 101))


@pytest.fixture
async def talk(shelf: Shelf) -> Talk:
    """An agent with log.txt, of a hundred lines, and notes.md, both closed; it may have two files open."""
    await shelf.add("log.txt", LINES)
    await shelf.add("notes.md", "# Pumps\nThe red pump is loud.\nA cat sleeps on it.")
    agent = await shelf.api.create(folder_ids=[shelf.id], max_files_open=2)
    await shelf.api.call("CloseAllFiles", agent_id=agent["id"])
    return Talk(shelf.service, agent)


async def seen(talk: Talk) -> dict[str, str]:
    """What the agent sees of each open file, by its name without the folder's."""
    shown = await open_files(talk.service.api, talk.agent["id"])
    return {path.rpartition("/")[2]: value for path, value in shown.items()}


async def test_files_are_opened_whole_and_in_part(talk: Talk, shelf: Shelf) -> None:
    folder = shelf.folder["name"]
    requests = [{"file_name": f"{folder}/notes.md"}, {"file_name": "log.txt", "offset": 49, "length": 3}]

    told = await talk.call("open_files", file_requests=requests)

    assert told == (True, f"Opened {folder}/notes.md, {folder}/log.txt.")
    shown = await seen(talk)
    assert shown["notes.md"].startswith("[Viewing file start (out of 3 lines)]\n1: # Pumps\n2: The red")
    assert shown["log.txt"] == (
        "[Viewing lines 50 to 52 (out of 100 lines)]\n"
        "50: Line 50 of the log.\n51: Line 51 of the log.\n52: Line 52 of the log."
    )
    listed = await talk.service.api.call("ListAgentFiles", agent_id=talk.agent["id"], is_open=True)
    assert {(one["start_line"], one["end_line"]) for one in listed["files"]} == {(50, 52), (None, None)}


@pytest.mark.parametrize(
    ("request_", "heading"),
    [
        ({"offset": 98}, "[Viewing lines 99 to 100 (out of 100 lines)]"),
        ({"length": 1}, "[Viewing lines 1 to 1 (out of 100 lines)]"),
        ({"offset": 90, "length": 99}, "[Viewing lines 91 to 100 (out of 100 lines)]"),
        ({"offset": None, "length": None}, "[Viewing file start (out of 100 lines)]"),
    ],
)
async def test_a_part_may_lack_an_end(talk: Talk, request_: dict[str, Any], heading: str) -> None:
    await talk.call("open_files", file_requests=[{"file_name": "log.txt"} | request_])

    assert (await seen(talk))["log.txt"].startswith(heading + "\n")


async def test_a_file_can_be_opened_elsewhere(talk: Talk) -> None:
    for offset in (0, 10):
        await talk.call("open_files", file_requests=[{"file_name": "log.txt", "offset": offset, "length": 1}])

    assert (await seen(talk))["log.txt"].endswith("11: Line 11 of the log.")


async def test_all_others_can_be_closed(talk: Talk, shelf: Shelf) -> None:
    await talk.call("open_files", file_requests=[{"file_name": "notes.md"}])

    told = await talk.call("open_files", file_requests=[{"file_name": "log.txt"}], close_all_others=True)

    folder = shelf.folder["name"]
    assert told == (True, f"Opened {folder}/log.txt. Closed {folder}/notes.md.")
    assert list(await seen(talk)) == ["log.txt"]


async def test_the_answer_of_the_step_has_the_new_system_message(talk: Talk) -> None:
    committed = await talk.commit("open_files", '{"file_requests": [{"file_name": "notes.md"}]}')

    assert "2: The red pump is loud." in committed.system.parts[0].text
    assert "2: The red pump" in await talk.service.api.system_message(talk.agent["id"])


async def test_files_opened_in_a_conversation_are_open_in_the_agent_s_own_history(talk: Talk) -> None:
    api = talk.service.api
    conversation = await api.call("CreateConversation", {}, agent_id=talk.agent["id"])

    await talk.call("open_files", conversation_id=conversation["id"], file_requests=[{"file_name": "notes.md"}])

    assert "2: The red pump" in await api.system_message(talk.agent["id"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "file_requests"),
        ({"file_requests": []}, "file_requests"),
        ({"file_requests": [{"file_name": "log.txt", "offset": -1}]}, "offset"),
        ({"file_requests": [{"file_name": "log.txt", "offset": 100}]}, "100 lines"),
        ({"file_requests": [{"file_name": "absent.txt"}]}, "log.txt"),
        ({"file_requests": [{"file_name": "log.txt"}] * 3}, "2 files open"),
    ],
)
async def test_a_bad_request_is_an_error_return_and_changes_nothing(
    talk: Talk, arguments: dict[str, Any], words: str
) -> None:
    await talk.call("open_files", file_requests=[{"file_name": "notes.md"}])
    before = await seen(talk)

    succeeded, told = await talk.call("open_files", **arguments, close_all_others=True)

    assert not succeeded
    assert words in told
    assert await seen(talk) == before


async def test_a_name_that_two_folders_have_needs_the_folder(talk: Talk, service: Service) -> None:
    other = await make_shelf(service, f"twin of {talk.agent['id']}")
    await other.add("log.txt", "other")
    await other.attach(talk.agent["id"])

    succeeded, told = await talk.call("open_files", file_requests=[{"file_name": "log.txt"}])

    assert not succeeded
    assert f"twin of {talk.agent['id']}/log.txt" in told


async def test_grep_finds_lines(talk: Talk, shelf: Shelf) -> None:
    folder = shelf.folder["name"]

    _, found = await talk.call("grep_files", pattern="line 5\\d of")
    _, one = await talk.call("grep_files", pattern="RED", context_lines=0)
    _, elsewhere = await talk.call("grep_files", pattern="red", include="\\.txt$")

    assert found.startswith(f"Found 10 total matches across 1 files, here are 1 to 10:\n\n- {folder}/log.txt: 10\n")
    assert "  49: Line 49 of the log.\n> 50: Line 50 of the log.\n  51: Line 51" in found
    assert one.endswith(f"{folder}/notes.md\n> 2: The red pump is loud.")
    assert elsewhere == "Found 0 total matches across 0 files."


async def test_what_grep_finds_stays_open_longer(talk: Talk, shelf: Shelf) -> None:
    third = await shelf.add("third.txt", "text")
    await talk.service.api.call("CloseAllFiles", agent_id=talk.agent["id"])
    for name in ("log.txt", "notes.md"):
        await talk.call("open_files", file_requests=[{"file_name": name}])

    await talk.call("grep_files", pattern="Line 7 of")
    closed = await talk.service.api.call("OpenFile", agent_id=talk.agent["id"], file_id=third["id"])

    assert closed == [f"{shelf.folder['name']}/notes.md"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pattern": "("}, "RE2"),
        ({"pattern": "a", "include": "(?!x)"}, "include"),
        ({"pattern": ""}, "pattern"),
        ({"pattern": "x" * 1001}, "pattern"),
        ({"pattern": "x", "context_lines": 99}, "context_lines"),
        ({"pattern": "x", "offset": -1}, "offset"),
    ],
)
async def test_a_bad_search_is_an_error_return(talk: Talk, arguments: dict[str, Any], words: str) -> None:
    succeeded, told = await talk.call("grep_files", **arguments)

    assert not succeeded
    assert words in told


@pytest.mark.parametrize("embedding", [EMBEDDING, None, "openai/broken"])
async def test_passages_are_found_by_meaning_or_by_words(service: Service, embedding: str | None) -> None:
    shelf = await make_shelf(service, f"searched by {embedding}", embedding=embedding)
    await shelf.add("cats.txt", "The cat sat on the mat.")
    await shelf.add("physics.txt", "Quantum physics is difficult.")
    talk = Talk(service, await service.api.create(folder_ids=[shelf.id]))

    found = await talk.call("semantic_search_files", query="where is the cat on the mat", limit=1)

    name = shelf.folder["name"]
    assert found == (True, f"Found 1 passages in 1 files.\n\n{name}/cats.txt:\nThe cat sat on the mat.")


async def test_only_the_agent_s_own_folders_are_searched(service: Service, shelf: Shelf, talk: Talk) -> None:
    secret = await make_shelf(service, f"secret {shelf.id}", embedding=EMBEDDING)
    await secret.add("secret.txt", "The red pump's password is swordfish.")

    _, by_meaning = await talk.call("semantic_search_files", query="the red pump's password", limit=50)
    _, by_pattern = await talk.call("grep_files", pattern="swordfish")
    opened, _ = await talk.call("open_files", file_requests=[{"file_name": f"{secret.folder['name']}/secret.txt"}])

    assert "swordfish" not in by_meaning
    assert by_pattern == "Found 0 total matches across 0 files."
    assert not opened
