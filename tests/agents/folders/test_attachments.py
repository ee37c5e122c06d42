"""Folders given to agents, and what their system messages show."""

import asyncio
from typing import Any

import pytest

from services.common.errors import PerdureError
from tests.agents.folders.conftest import Shelf, make_shelf, open_files
from tests.agents.memory.test_memory_tools import Talk
from tests.agents.service import ABSENT, Api, Service

FILE_TOOLS = {"open_files", "grep_files", "semantic_search_files"}


async def tools_of(api: Api, agent_id: str) -> set[str]:
    agent = await api.call("GetAgent", agent_id=agent_id, include=["agent.tools"])
    return {tool["name"] for tool in agent["tools"]} & FILE_TOOLS


async def test_the_first_folder_brings_the_file_tools_and_the_last_takes_them(service: Service) -> None:
    api, agent = service.api, await service.api.create()
    first, second = await make_shelf(service, "tools 1"), await make_shelf(service, "tools 2")

    seen = [await tools_of(api, agent["id"])]
    for step in (first.attach, second.attach, first.detach, second.detach):
        await step(agent["id"])
        seen.append(await tools_of(api, agent["id"]))

    assert seen == [set(), FILE_TOOLS, FILE_TOOLS, FILE_TOOLS, set()]


@pytest.mark.parametrize("is_attached", [True, False])
async def test_file_tools_that_ask_by_default_bring_their_rules(shelf: Shelf, is_attached: bool) -> None:
    agent = await shelf.api.create()
    shelf.service.tools.careful.add("open_files")

    if is_attached:
        await shelf.attach(agent["id"])
    else:
        await shelf.api.call("UpdateAgent", {"folder_ids": [shelf.id]}, agent_id=agent["id"])
    shelf.service.tools.careful.clear()

    rules = (await shelf.api.call("GetAgent", agent_id=agent["id"]))["tool_rules"]
    assert [rule["tool_name"] for rule in rules if rule["type"] == "requires_approval"] == ["open_files"]


async def test_the_sdk_gets_no_agent_back_and_others_do(service: Service, shelf: Shelf) -> None:
    agent = await service.api.create()
    ids = {"agent_id": agent["id"], "folder_id": shelf.id}

    assert await service.api.call("AttachFolder", **ids) is None
    again = await service.older.call("AttachSource", **ids)
    taken = await service.older.call("DetachFolder", **ids)

    assert [one["id"] for one in again["sources"]] == [shelf.id]
    assert list(again["sources"][0])[:8] == [*list(shelf.folder)[:7], "vector_db_provider"]
    assert taken["sources"] == []
    assert await service.api.call("DetachSource", **ids) is None


async def test_the_system_message_shows_files(shelf: Shelf) -> None:
    agent = await shelf.api.create(max_files_open=5, per_file_view_window_char_limit=15000)
    await shelf.add("test.txt", "test")
    await shelf.attach(agent["id"])

    name = shelf.folder["name"]
    shown = f"""<directories>
<file_limits>
- current_files_open=1
- max_files_open=5
</file_limits>
<directory name="{name}">
<file status="open" name="{name}/test.txt">
<metadata>
- read_only=true
- chars_current=45
- chars_limit=15000
</metadata>
<value>
[Viewing file start (out of 1 lines)]
1: test
</value>
</file>
</directory>
</directories>"""
    assert shown in await shelf.api.system_message(agent["id"])


async def test_the_system_message_follows_what_is_done_with_folders(service: Service) -> None:
    shelf = await make_shelf(service, "followed", description="All on pumps.", instructions="Look here first.")
    api, agent = service.api, await service.api.create()

    async def says(*words: str) -> list[bool]:
        text = await api.system_message(agent["id"])
        return [word in text for word in words]

    await shelf.attach(agent["id"])
    empty = await says("current_files_open=0", "<description>All on pumps.</description>", "Look here first.", "<file ")
    file = await shelf.add("a.txt", "pump")
    filled = await says('<file status="open" name="followed/a.txt">', "1: pump")
    await api.call("CloseFile", agent_id=agent["id"], file_id=file["id"])
    closed = await says('<file status="closed" name="followed/a.txt">', "1: pump", "current_files_open=0")
    await api.call("UpdateFolder", {"name": "renamed"}, folder_id=shelf.id)
    renamed = await says('name="renamed/a.txt"')
    await api.call("DeleteFolderFile", folder_id=shelf.id, file_id=file["id"])
    deleted = await says("a.txt")
    await shelf.detach(agent["id"])

    assert (empty, filled, closed) == ([True, True, True, False], [True, True], [True, False, True])
    assert (renamed, deleted, await says("<directories>")) == ([True], [False], [False])


async def test_the_context_overview_counts_folders(shelf: Shelf) -> None:
    agent = await shelf.api.create()
    before = await shelf.api.call("GetContextWindow", agent_id=agent["id"])
    await shelf.add("a.txt", "text")
    await shelf.attach(agent["id"])
    after = await shelf.api.call("GetContextWindow", agent_id=agent["id"])

    assert (before["directories"], before["num_tokens_directories"]) == (None, 0)
    assert after["directories"].startswith("<directories>\n<file_limits>")
    assert after["num_tokens_directories"] == -(-len(after["directories"]) // 4)
    assert after["context_window_size_current"] > before["context_window_size_current"]


@pytest.mark.parametrize("field", ["source_ids", "folder_ids"])
async def test_folders_at_creation_are_open_at_once(shelf: Shelf, field: str) -> None:
    await shelf.add("a.txt", "text")

    agent = await shelf.api.create(**{field: [shelf.id]})

    assert [one["id"] for one in agent["sources"]] == [shelf.id]
    assert {tool["name"] for tool in agent["tools"]} >= FILE_TOOLS
    [block] = agent["memory"]["file_blocks"]
    assert (block["label"], block["is_open"], block["read_only"]) == (f"{shelf.folder['name']}/a.txt", True, True)
    assert block["value"] == "[Viewing file start (out of 1 lines)]\n1: text"
    assert (block["limit"], block["source_id"]) == (25000, shelf.id)
    assert "1: text" in await shelf.api.system_message(agent["id"])


async def test_an_agent_s_folders_can_be_replaced(service: Service, shelf: Shelf) -> None:
    other = await make_shelf(service, "replacing")
    await other.add("b.txt", "other")
    agent = await service.api.create(folder_ids=[shelf.id])

    replaced = await service.api.call("UpdateAgent", {"folder_ids": [other.id]}, agent_id=agent["id"])
    emptied = await service.api.call("UpdateAgent", {"source_ids": []}, agent_id=agent["id"])

    assert [one["id"] for one in replaced["sources"]] == [other.id]
    assert [block["label"] for block in replaced["memory"]["file_blocks"]] == ["replacing/b.txt"]
    assert (emptied["sources"], emptied["memory"]["file_blocks"]) == ([], [])
    assert not {tool["name"] for tool in emptied["tools"]} & FILE_TOOLS


@pytest.mark.parametrize(("agent_exists", "status"), [(True, 404), (False, 404)])
async def test_what_is_missing_is_404(shelf: Shelf, agent_exists: bool, status: int) -> None:
    agent_id = (await shelf.api.create())["id"] if agent_exists else f"agent-{ABSENT}"
    folder_id = f"source-{ABSENT}" if agent_exists else shelf.id

    for method in ("AttachFolder", "DetachFolder"):
        assert (await shelf.api.problem(method, agent_id=agent_id, folder_id=folder_id))[0] == status


async def test_an_unknown_folder_at_creation_is_404(api: Api) -> None:
    body = {"model": "openai/gpt-4o-mini", "folder_ids": [f"source-{ABSENT}"]}

    assert (await api.problem("CreateAgent", body))[0] == 404


async def test_an_agent_s_folders_are_listed_newest_first(service: Service) -> None:
    agent = await service.api.create()
    shelves = [await make_shelf(service, f"mine {number}") for number in range(3)]
    for shelf in shelves:
        await shelf.attach(agent["id"])

    listed = await service.api.call("ListAgentFolders", agent_id=agent["id"], limit=2)
    rest = await service.api.call("ListAgentSources", agent_id=agent["id"], after=listed[-1]["id"])

    assert [one["id"] for one in listed + rest] == [shelf.id for shelf in shelves[::-1]]


async def test_a_new_file_is_open_for_all_who_have_the_folder(shelf: Shelf) -> None:
    agents = [await shelf.api.create(folder_ids=[shelf.id]) for _ in range(2)]

    await shelf.upload("a.txt", "text")
    before = [await open_files(shelf.api, agent["id"]) for agent in agents]
    await shelf.process()

    assert before == [{}, {}]
    path = f"{shelf.folder['name']}/a.txt"
    shown = {path: "[Viewing file start (out of 1 lines)]\n1: text"}
    assert [await open_files(shelf.api, agent["id"]) for agent in agents] == [shown] * 2


async def test_a_replaced_file_shows_its_new_text_everywhere(shelf: Shelf) -> None:
    agent = await shelf.api.create(folder_ids=[shelf.id])
    await shelf.add("a.txt", "old")

    await shelf.add("a.txt", "new", duplicate_handling="replace")

    [value] = (await open_files(shelf.api, agent["id"])).values()
    assert value.endswith("1: new")
    assert "1: old" not in await shelf.api.system_message(agent["id"])


async def test_a_conversation_keeps_its_system_message_until_it_is_recompiled(service: Service, shelf: Shelf) -> None:
    api, agent = service.api, await service.api.create()
    conversation_id = (await api.call("CreateConversation", {}, agent_id=agent["id"]))["id"]
    await Talk(service, agent).call("conversation_search", conversation_id=conversation_id)

    async def system_message() -> str:
        messages = await api.call("ListConversationMessages", conversation_id=conversation_id, order="asc", limit=1)
        return str(messages[0]["content"])

    await shelf.add("a.txt", "text")
    await shelf.attach(agent["id"])
    before = await system_message()
    await api.call("RecompileConversation", conversation_id=conversation_id)

    assert "1: text" in await api.system_message(agent["id"])
    assert "<directories>" not in before
    assert "1: text" in await system_message()


async def test_an_agent_may_attach_while_the_folder_is_deleted(shelf: Shelf) -> None:
    agents = [await shelf.api.create() for _ in range(4)]

    async def attach(agent: Any) -> int:
        try:
            await shelf.attach(agent["id"])
        except PerdureError as exc:
            return exc.http_status
        return 200

    deleting = shelf.api.call("DeleteFolder", folder_id=shelf.id)
    *statuses, _ = await asyncio.gather(*(attach(agent) for agent in agents), deleting)

    assert set(statuses) <= {200, 404}
    for agent in agents:
        assert await tools_of(shelf.api, agent["id"]) == set()
        assert await shelf.api.call("ListAgentFolders", agent_id=agent["id"]) == []
