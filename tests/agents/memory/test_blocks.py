"""Blocks and core memory over REST."""

from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from services.agents.memory.tables import block_history
from tests.agents.service import ABSENT, Api, Service


async def test_a_new_block_shows_all_its_fields(api: Api) -> None:
    sent = {"label": "lab", "value": "v", "description": "d", "metadata": {"a": 1}, "limit": 1000, "tags": ["bt"]}

    block = await api.call("CreateBlock", sent)

    assert list(block) == [
        "value", "limit", "project_id", "template_name", "is_template", "template_id", "base_template_id",
        "deployment_id", "entity_id", "preserve_on_migration", "label", "read_only", "description", "metadata",
        "hidden", "id", "created_by_id", "last_updated_by_id", "tags",
    ]  # fmt: skip
    assert {name: block[name] for name in sent} == sent
    assert await api.call("GetBlock", block_id=block["id"]) == block


@pytest.mark.parametrize("label", ["", "two\nlines", "</human>", "x" * 5000])
async def test_a_label_names_an_element_of_the_system_message(api: Api, label: str) -> None:
    block = await api.call("CreateBlock", {"label": "x"})

    created = await api.problem("CreateBlock", {"label": label})
    changed = await api.problem("UpdateBlock", {"label": label}, block_id=block["id"])

    assert (created[0], changed[0]) == (400, 400)


async def test_a_label_alone_makes_a_block(api: Api) -> None:
    block = await api.call("CreateBlock", {"label": "x"})

    assert (block["value"], block["limit"], block["metadata"], block["tags"]) == ("", 100_000, {}, [])


async def test_a_value_over_the_limit_is_refused(api: Api) -> None:
    block = await api.call("CreateBlock", {"label": "x", "value": "abc", "limit": 3})

    created = await api.problem("CreateBlock", {"label": "x", "value": "abcd", "limit": 3})
    longer = await api.problem("UpdateBlock", {"value": "abcd"}, block_id=block["id"])
    tighter = await api.problem("UpdateBlock", {"limit": 2}, block_id=block["id"])

    assert [status for status, _ in (created, longer, tighter)] == [400, 400, 400]
    assert (await api.call("GetBlock", block_id=block["id"]))["value"] == "abc"


async def test_an_update_keeps_what_was_there_before(service: Service) -> None:
    block = await service.api.call("CreateBlock", {"label": "x", "value": "first"})

    changed = await service.api.call("UpdateBlock", {"value": "second", "description": "d"}, block_id=block["id"])

    assert changed == {**block, "value": "second", "description": "d"}
    async with service.database.begin() as tx:
        query = select(block_history).where(block_history.c.block_id == block["id"])
        [before] = (await tx.execute(query)).all()
    assert (before.version, before.value, before.replaced_by_id[:5]) == (1, "first", "user-")


async def test_deleting_a_block_takes_it_from_its_agents(api: Api) -> None:
    agent = await api.create(memory_blocks=[{"label": "human", "value": "Ada"}])
    block_id = agent["blocks"][0]["id"]

    assert await api.call("DeleteBlock", block_id=block_id) is None

    assert await api.call("ListCoreMemoryBlocks", agent_id=agent["id"]) == []
    assert "Ada" not in await api.system_message(agent["id"])
    for method, body in (("GetBlock", None), ("UpdateBlock", {"value": "x"}), ("DeleteBlock", None)):
        assert (await api.problem(method, body, block_id=block_id))[0] == 404


async def test_filters_pick_blocks(api: Api) -> None:
    lone = await api.call(
        "CreateBlock", {"label": "filtered_one", "value": "Sea", "description": "blue", "tags": ["p"]}
    )
    shared = await api.call("CreateBlock", {"label": "filtered_two", "value": "Sky", "tags": ["p", "q"]})
    for _ in range(2):
        await api.create(block_ids=[shared["id"]])

    async def found(**query: Any) -> list[str]:
        blocks = await api.call("ListBlocks", label_search="filtered", **query)
        return [block["id"] for block in blocks]

    assert await found() == [lone["id"], shared["id"]]
    assert await found(label="filtered_one") == [lone["id"]]
    assert await found(value_search="sky") == [shared["id"]]
    assert await found(description_search="BLUE") == [lone["id"]]
    assert await found(tags=["p", "q"], match_all_tags=True) == [shared["id"]]
    assert await found(connected_to_agents_count_gt=1) == [shared["id"]]
    assert await found(connected_to_agents_count_lt=1) == [lone["id"]]
    assert await found(connected_to_agents_count_eq=[0, 2]) == [lone["id"], shared["id"]]
    assert await found(after=lone["id"]) == [shared["id"]]
    assert await found(order="desc", limit=1) == [shared["id"]]
    assert await api.call("CountBlocks", label="filtered_one") == 1


async def test_agents_of_a_block_are_listed_newest_first(api: Api) -> None:
    block = await api.call("CreateBlock", {"label": "shared"})
    made = [(await api.create(block_ids=[block["id"]]))["id"] for _ in range(2)]

    agents = await api.call("ListBlockAgents", block_id=block["id"])

    assert [agent["id"] for agent in agents] == made[::-1]
    assert (await api.problem("ListBlockAgents", block_id=f"block-{ABSENT}"))[0] == 404


async def test_a_shared_block_changes_for_all_at_once(api: Api) -> None:
    block = await api.call("CreateBlock", {"label": "shared", "value": "old text"})
    agents = [await api.create(block_ids=[block["id"]]) for _ in range(2)]

    await api.call("UpdateCoreMemoryBlock", {"value": "new text"}, agent_id=agents[0]["id"], block_label="shared")

    for agent in agents:
        seen = await api.call("GetCoreMemoryBlock", agent_id=agent["id"], block_label="shared")
        assert seen["value"] == "new text"
        assert "new text" in await api.system_message(agent["id"])


async def test_core_memory_is_listed_newest_first_and_whole_in_order(api: Api) -> None:
    agent = await api.create(memory_blocks=[{"label": "human"}, {"label": "persona"}])

    memory = await api.call("GetCoreMemory", agent_id=agent["id"])
    listed = await api.call("ListCoreMemoryBlocks", agent_id=agent["id"])

    assert list(memory) == ["agent_type", "git_enabled", "blocks", "file_blocks", "prompt_template"]
    assert [block["label"] for block in memory["blocks"]] == ["human", "persona"]
    assert [block["label"] for block in listed] == ["persona", "human"]
    assert all(block["description"] for block in listed)


async def test_blocks_are_attached_once_and_detached(api: Api) -> None:
    agent = await api.create()
    block = await api.call("CreateBlock", {"label": "lab", "value": "attached text"})
    ids = {"agent_id": agent["id"], "block_id": block["id"]}

    for _ in range(2):
        attached = await api.call("AttachCoreMemoryBlock", **ids)
        assert attached["blocks"] == [block]
    assert "attached text" in await api.system_message(agent["id"])
    detached = await api.call("DetachCoreMemoryBlock", **ids)

    assert detached["blocks"] == []
    assert "attached text" not in await api.system_message(agent["id"])
    assert (await api.call("GetBlock", block_id=block["id"])) == block


async def test_an_agent_has_one_block_of_each_label(api: Api) -> None:
    agent = await api.create(memory_blocks=[{"label": "human"}, {"label": "other"}])
    block = await api.call("CreateBlock", {"label": "human"})

    attached = await api.problem("AttachCoreMemoryBlock", agent_id=agent["id"], block_id=block["id"])
    renamed = await api.problem("UpdateCoreMemoryBlock", {"label": "human"}, agent_id=agent["id"], block_label="other")

    assert (attached[0], renamed[0]) == (409, 409)


async def test_a_renamed_block_is_found_by_its_new_label(api: Api) -> None:
    agent = await api.create(memory_blocks=[{"label": "old"}])

    await api.call("UpdateBlock", {"label": "new"}, block_id=agent["blocks"][0]["id"])

    assert (await api.call("GetCoreMemoryBlock", agent_id=agent["id"], block_label="new"))["label"] == "new"
    assert (await api.problem("GetCoreMemoryBlock", agent_id=agent["id"], block_label="old"))[0] == 404


@pytest.mark.parametrize("method", ["AttachCoreMemoryBlock", "DetachCoreMemoryBlock"])
async def test_a_missing_block_is_404(api: Api, method: str) -> None:
    agent = await api.create()

    assert (await api.problem(method, agent_id=agent["id"], block_id=f"block-{ABSENT}"))[0] == 404


async def test_tags_are_listed_by_name_and_searched(api: Api) -> None:
    await api.create(tags=["zebra", "Apple"])
    await api.create(tags=["apricot"])

    assert await api.call("ListTags", query_text="AP") == ["Apple", "apricot"]
    assert await api.call("ListTags", query_text="AP", after="Apple") == ["apricot"]
    assert await api.call("ListTags", order="desc", limit=1) == ["zebra"]


@pytest.mark.parametrize("owners", [1, 5])
async def test_the_statements_of_a_change_do_not_grow_with_the_agents_that_have_the_block(
    service: Service, owners: int
) -> None:
    block = await service.api.call("CreateBlock", {"label": "shared", "value": "first"})
    agents = [await service.api.create(block_ids=[block["id"]]) for _ in range(owners)]
    statements: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    await service.api.call("UpdateBlock", {"value": "second"}, block_id=block["id"])
    event.remove(Engine, "before_cursor_execute", note)

    assert len(statements) == 9
    for agent in agents:
        assert "second" in await service.api.system_message(agent["id"])
