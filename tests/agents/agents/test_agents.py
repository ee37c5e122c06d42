"""Agents read, listed, changed, deleted, over REST."""

from typing import Any

import pytest

from tests.agents.neighbours import tool_id
from tests.agents.service import ABSENT, Api


async def test_the_1x_sdk_gets_relations_only_as_it_names_them(api: Api) -> None:
    made = await api.create(tags=["t"], memory_blocks=[{"label": "human", "value": "h"}], secrets={"A": "b"})

    bare = await api.call("GetAgent", agent_id=made["id"])
    named = await api.call("GetAgent", agent_id=made["id"], include=["agent.blocks", "agent.tags"])

    relations = ("blocks", "tools", "tags", "secrets", "tool_exec_environment_variables")
    assert [bare[name] for name in relations] == [[], [], [], [], []]
    assert [len(named[name]) for name in relations] == [1, 0, 1, 0, 0]
    assert len(named["memory"]["blocks"]) == 1
    assert bare["message_ids"] == made["message_ids"]


async def test_other_clients_get_everything_unless_they_name_relations(api: Api, older: Api) -> None:
    made = await api.create(tags=["t"], memory_blocks=[{"label": "human", "value": "h"}])

    full = await older.call("GetAgent", agent_id=made["id"])
    some = await older.call("GetAgent", agent_id=made["id"], include_relationships=["tools"])

    assert full == made
    assert [len(some[name]) for name in ("blocks", "tools", "tags")] == [0, 3, 0]


async def test_a_missing_agent_is_404(api: Api) -> None:
    missing = f"agent-{ABSENT}"

    for method, body in (("GetAgent", None), ("UpdateAgent", {"name": "x"}), ("DeleteAgent", None)):
        assert (await api.problem(method, body, agent_id=missing))[0] == 404


async def test_deleting_takes_the_history_and_leaves_the_blocks(api: Api) -> None:
    agent = await api.create(memory_blocks=[{"label": "human", "value": "h"}], tags=["gone"])

    answer = await api.call("DeleteAgent", agent_id=agent["id"])

    assert list(answer) == ["message"]
    assert (await api.problem("GetAgent", agent_id=agent["id"]))[0] == 404
    assert (await api.problem("ListAgentMessages", agent_id=agent["id"]))[0] == 404
    assert (await api.call("GetBlock", block_id=agent["blocks"][0]["id"]))["value"] == "h"
    assert "gone" not in await api.call("ListTags")


async def test_lists_go_on_after_a_cursor_until_they_are_empty(api: Api) -> None:
    made = [(await api.create(tags=["paged"]))["id"] for _ in range(3)]
    found: list[str] = []

    while page := await api.call("ListAgents", tags=["paged"], limit=2, after=found[-1] if found else ""):
        found += [agent["id"] for agent in page]

    assert found == made[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"order": "asc"}, [0, 1, 2]),
        ({"ascending": True, "limit": 1}, [0]),
        ({"order": "asc", "after": 0}, [1, 2]),
        ({"order": "asc", "before": 2}, [0, 1]),
        ({"before": 0}, [2, 1]),
        ({"order_by": "updated_at"}, [2, 1, 0]),
        ({"sort_by": "last_run_completion", "order": "asc", "limit": 3}, [0, 1, 2]),
    ],
)
async def test_lists_keep_the_order_asked_for(api: Api, query: dict[str, Any], expected: list[int]) -> None:
    tag = f"order-{sorted(query.items())}"
    made = [(await api.create(tags=[tag]))["id"] for _ in range(3)]
    cursors = {name: made[query[name]] for name in ("after", "before") if name in query}

    found = await api.call("ListAgents", tags=[tag], **query | cursors)

    in_order = sorted(made.index(agent["id"]) for agent in found) if "sort_by" in query else None
    assert (in_order or [made.index(agent["id"]) for agent in found]) == expected


async def test_a_cursor_that_does_not_exist_is_404(api: Api) -> None:
    assert (await api.problem("ListAgents", after=f"agent-{ABSENT}"))[0] == 404


async def test_filters_pick_agents(api: Api) -> None:
    first = await api.create(name="Needle one", tags=["x", "y"])
    second = await api.create(name="needle two", tags=["x"])

    async def found(**query: Any) -> set[str]:
        assert await api.call("CountAgents", **query) == len(await api.call("ListAgents", **query))
        return {agent["id"] for agent in await api.call("ListAgents", **query)}

    assert await found(name="Needle one") == {first["id"]}
    assert await found(query_text="NEEDLE") == {first["id"], second["id"]}
    assert await found(tags=["x", "y"]) == {first["id"], second["id"]}
    assert await found(tags=["x", "y"], match_all_tags=True) == {first["id"]}
    assert await found(identity_id="identity-1") == set()
    assert await found(query_text="100%") == set()


async def test_an_update_changes_what_it_names(api: Api) -> None:
    agent = await api.create(name="before", description="d", tags=["t1"], secrets={"A": "1"})

    changed = await api.call(
        "UpdateAgent",
        {"name": "after", "tags": ["t2"], "metadata": {"n": 1}, "description": None, "system": "New."},
        agent_id=agent["id"],
    )

    assert (changed["name"], changed["tags"], changed["metadata"]) == ("after", ["t2"], {"n": 1})
    assert (changed["description"], changed["system"]) == ("d", "New.")
    assert changed["secrets"] == agent["secrets"]
    assert changed["updated_at"] > agent["updated_at"]
    assert (await api.system_message(agent["id"])).startswith("New.\n\n<memory_metadata>")


async def test_a_new_model_brings_its_own_facts(api: Api) -> None:
    agent = await api.create(context_window_limit=20_000)

    changed = await api.call(
        "UpdateAgent",
        {
            "model": "anthropic/claude-sonnet-4-5-20250929",
            "model_settings": {"provider_type": "anthropic", "max_output_tokens": 4096},
        },
        agent_id=agent["id"],
    )

    assert agent["llm_config"]["context_window"] == 20_000
    assert changed["model"] == "anthropic/claude-sonnet-4-5-20250929"
    assert (changed["llm_config"]["context_window"], changed["llm_config"]["max_tokens"]) == (128_000, 4096)
    assert changed["compaction_settings"]["model"] == "anthropic/claude-haiku-4-5"


async def test_new_settings_replace_all_but_an_unsent_bound(api: Api) -> None:
    agent = await api.create(
        model="anthropic/claude-sonnet-4-5-20250929",
        model_settings={"provider_type": "anthropic", "max_output_tokens": 4096, "parallel_tool_calls": False},
    )

    own = await api.call(
        "UpdateAgent",
        {"model_settings": {"provider_type": "anthropic", "temperature": 0.1}},
        agent_id=agent["id"],
    )
    foreign = await api.call(
        "UpdateAgent", {"model_settings": {"provider_type": "openai", "temperature": 0.2}}, agent_id=agent["id"]
    )

    assert own["model_settings"] == {
        "max_output_tokens": 4096, "parallel_tool_calls": True, "provider_type": "anthropic", "temperature": 0.1,
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "response_format": None, "verbosity": None,
        "effort": None, "strict": False,
    }  # fmt: skip
    assert foreign["model_settings"] == own["model_settings"] | {"temperature": 0.2, "strict": True}
    assert foreign["llm_config"]["reasoning_effort"] == "high"


async def test_an_unknown_model_changes_nothing(api: Api) -> None:
    agent = await api.create(name="same")

    status, _ = await api.problem("UpdateAgent", {"model": "openai/none", "name": "other"}, agent_id=agent["id"])

    assert status == 404
    assert (await api.call("GetAgent", agent_id=agent["id"]))["name"] == "same"


async def test_relations_are_replaced_as_a_whole(api: Api) -> None:
    agent = await api.create(memory_blocks=[{"label": "a"}, {"label": "b"}])
    kept = agent["blocks"][1]["id"]
    new = (await api.call("CreateBlock", {"label": "c"}))["id"]

    changed = await api.call(
        "UpdateAgent",
        {"block_ids": [kept, new], "tool_ids": [tool_id("roll_dice")], "secrets": {"B": "2"}},
        agent_id=agent["id"],
    )

    assert [block["id"] for block in changed["blocks"]] == [kept, new]
    assert [tool["name"] for tool in changed["tools"]] == ["roll_dice"]
    assert [(one["key"], one["value"]) for one in changed["secrets"]] == [("B", "2")]


async def test_tools_are_attached_once_and_detached(api: Api, older: Api) -> None:
    agent = await api.create(include_base_tools=False)
    ids = {"agent_id": agent["id"], "tool_id": tool_id("roll_dice")}

    assert await api.call("AttachTool", **ids) is None
    twice = await older.call("AttachTool", **ids)
    listed = await api.call("ListAgentTools", agent_id=agent["id"])
    without = await older.call("DetachTool", **ids)

    assert [tool["name"] for tool in twice["tools"]] == ["roll_dice"]
    assert listed == twice["tools"]
    assert without["tools"] == []
    assert (await api.problem("AttachTool", agent_id=agent["id"], tool_id=f"tool-{ABSENT}"))[0] == 404


async def test_an_agent_s_tools_are_listed_newest_first(api: Api) -> None:
    agent = await api.create()
    pages = [
        await api.call("ListAgentTools", agent_id=agent["id"], limit=2),
        await api.call("ListAgentTools", agent_id=agent["id"], after=tool_id("memory_insert")),
    ]

    assert [[tool["name"] for tool in page] for page in pages] == [
        ["memory_replace", "memory_insert"],
        ["conversation_search"],
    ]


async def test_the_overview_measures_every_part(api: Api) -> None:
    agent = await api.create(
        system="Be brief.", memory_blocks=[{"label": "human", "value": "Ada"}], context_window_limit=9000
    )

    overview = await api.call("GetContextWindow", agent_id=agent["id"])

    assert (overview["context_window_size_max"], overview["system_prompt"]) == (9000, "Be brief.")
    assert (overview["num_messages"], overview["num_recall_memory"]) == (1, 1)
    assert "Ada" in overview["core_memory"]
    assert f"- AGENT_ID: {agent['id']}" in overview["external_memory_summary"]
    assert [one["function"]["name"] for one in overview["functions_definitions"]] == [
        tool["name"] for tool in agent["tools"]
    ]
    sizes = [number for name, number in overview.items() if name.startswith("num_tokens")]
    assert sum(sizes) == overview["context_window_size_current"]
    assert overview["messages"][0]["role"] == "system"
