"""Making agents: what a request becomes."""

from typing import Any

import pytest

from tests.agents.neighbours import ENDPOINT, tool_id
from tests.agents.service import ABSENT, MODEL, Api

V1_TOOLS = ["conversation_search", "memory_insert", "memory_replace"]


def names(agent: Any) -> list[str]:
    return [tool["name"] for tool in agent["tools"]]


def rules(agent: Any) -> list[tuple[str, str]]:
    return [(rule["tool_name"], rule["type"]) for rule in agent["tool_rules"]]


async def test_a_new_agent_shows_all_its_fields(api: Api) -> None:
    agent = await api.create(name="all", tags=["b", "a"], secrets={"KEY": "value"}, embedding="openai/text-embedding-3")

    assert list(agent)[:8] == [
        "created_by_id", "last_updated_by_id", "created_at", "updated_at", "id", "name", "tool_rules", "message_ids",
    ]  # fmt: skip
    assert (agent["agent_type"], agent["tags"], len(agent["message_ids"])) == ("letta_v1_agent", ["a", "b"], 1)
    assert names(agent) == V1_TOOLS
    assert agent["tool_rules"] == []
    assert [(secret["key"], secret["value"]) for secret in agent["secrets"]] == [("KEY", "value")]
    assert agent["embedding_config"]["embedding_dim"] == 1536
    assert (agent["timezone"], agent["max_files_open"], agent["last_stop_reason"]) == ("UTC", 10, None)


async def test_without_settings_the_model_is_asked_by_its_provider_s_facts(api: Api) -> None:
    agent = await api.create()

    assert agent["llm_config"] == {
        "model": "gpt-4o-mini", "display_name": None, "model_endpoint_type": "openai", "model_endpoint": ENDPOINT,
        "provider_name": "openai", "provider_category": "base", "model_wrapper": None, "context_window": 128_000,
        "put_inner_thoughts_in_kwargs": False, "handle": "openai/gpt-4o-mini", "temperature": 1.0,
        "max_tokens": 16_384, "enable_reasoner": False, "reasoning_effort": None, "max_reasoning_tokens": 0,
        "effort": None, "frequency_penalty": None, "compatibility_type": None, "verbosity": None, "tier": None,
        "parallel_tool_calls": False, "response_format": None, "strict": False, "return_logprobs": False,
        "top_logprobs": None, "return_token_ids": False, "tool_call_parser": None,
    }  # fmt: skip
    assert agent["model_settings"] == {
        "max_output_tokens": 16_384, "parallel_tool_calls": True, "provider_type": "openai", "temperature": 1.0,
        "reasoning": {"reasoning_effort": "minimal"}, "response_format": None, "strict": False,
    }  # fmt: skip
    assert agent["compaction_settings"]["model"] == "openai/gpt-5-mini"
    assert agent["compaction_settings"]["mode"] == "sliding_window"


@pytest.mark.parametrize(
    ("model", "settings", "expected"),
    [
        (
            "openai/gpt-5",
            {"provider_type": "openai", "reasoning": {"reasoning_effort": "high"}},
            {
                "temperature": 0.7,
                "max_tokens": 16_384,
                "reasoning_effort": "high",
                "verbosity": "medium",
                "strict": True,
            },
        ),
        (
            "anthropic/claude-sonnet-4-5-20250929",
            {"provider_type": "anthropic", "thinking": {"type": "enabled", "budget_tokens": 2048}},
            {"temperature": 1.0, "enable_reasoner": True, "max_reasoning_tokens": 2048, "strict": False},
        ),
        (
            "google_ai/gemini-2.5-pro",
            {"provider_type": "google_ai", "thinking_config": {"include_thoughts": True, "thinking_budget": 1024}},
            {"temperature": 0.7, "max_tokens": 65_536, "max_reasoning_tokens": 1024, "parallel_tool_calls": True},
        ),
        ("zai/glm-4.6", None, {"temperature": 1.0, "enable_reasoner": True, "max_reasoning_tokens": 0}),
    ],
)
async def test_settings_of_every_provider_reach_the_configuration(
    api: Api, model: str, settings: dict[str, Any] | None, expected: dict[str, Any]
) -> None:
    agent = await api.create(model=model, model_settings=settings)

    assert {name: agent["llm_config"][name] for name in expected} == expected
    assert agent["model_settings"]["provider_type"] == model.split("/")[0]


async def test_refused_parallel_calls_stay_refused(api: Api) -> None:
    agent = await api.create(model_settings={"provider_type": "openai", "parallel_tool_calls": False})

    assert agent["model_settings"]["parallel_tool_calls"] is False
    assert agent["llm_config"]["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("agent_type", "tools", "messages"),
    [
        ("letta_v1_agent", V1_TOOLS, 1),
        ("memgpt_v2_agent", ["conversation_search", "send_message", "memory_insert", "memory_replace"], 4),
        ("react_agent", [], 4),
        ("workflow_agent", [], 4),
        ("sleeptime_agent", ["memory_rethink", "memory_finish_edits", "memory_insert", "memory_replace"], 1),
    ],
)
async def test_each_type_has_its_tools_and_first_messages(
    api: Api, agent_type: str, tools: list[str], messages: int
) -> None:
    agent = await api.create(agent_type=agent_type)

    assert names(agent) == tools
    assert len(agent["message_ids"]) == messages


async def test_older_types_get_the_rules_of_their_tools(api: Api) -> None:
    agent = await api.create(agent_type="memgpt_v2_agent")

    assert rules(agent) == [
        ("conversation_search", "continue_loop"),
        ("send_message", "exit_loop"),
        ("memory_insert", "continue_loop"),
        ("memory_replace", "continue_loop"),
    ]


async def test_tools_by_id_come_before_tools_by_name(api: Api) -> None:
    given = {"type": "continue_loop", "tool_name": "roll_dice"}

    agent = await api.create(
        tools=["memory_insert"], tool_ids=[tool_id("roll_dice")], include_base_tools=False, tool_rules=[given, given]
    )

    assert names(agent) == ["roll_dice", "memory_insert"]
    assert rules(agent) == [("roll_dice", "continue_loop"), ("memory_insert", "continue_loop")]


async def test_of_two_blocks_with_one_label_the_first_counts(api: Api) -> None:
    agent = await api.create(memory_blocks=[{"label": "human", "value": "1"}, {"label": "human", "value": "2"}])

    assert [block["value"] for block in agent["blocks"]] == ["1"]
    assert agent["memory"]["blocks"] == agent["blocks"]


async def test_the_initial_messages_follow_the_system_message(api: Api) -> None:
    sequence = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]

    agent = await api.create(agent_type="memgpt_agent", initial_message_sequence=sequence)

    messages = await api.call("ListAgentMessages", agent_id=agent["id"], order="asc")
    assert [message["message_type"] for message in messages] == ["system_message", "user_message", "assistant_message"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": None}, 400, "model"),
        ({"model": "gpt-4o-mini"}, 400, "slash"),
        ({"model": "openai/none"}, 404, "not found"),
        ({"embedding": "openai/none"}, 400, "not found"),
        ({"tools": ["absent"]}, 400, "absent"),
        ({"tool_ids": [f"tool-{ABSENT}"]}, 400, ABSENT),
        ({"block_ids": [f"block-{ABSENT}"]}, 404, ABSENT),
        ({"memory_blocks": [{"label": "x", "value": "abc", "limit": 2}]}, 400, "limit is 2"),
        ({"context_window_limit": 1_000_000}, 400, "200000"),
        ({"timezone": "Mars/Olympus"}, 400, "time zone"),
        ({"agent_type": "voice_convo_agent"}, 422, "enable_sleeptime"),
        ({"name": "a/b"}, 422, "name"),
    ],
)
async def test_what_cannot_be_made_is_refused_with_words(
    api: Api, body: dict[str, Any], status: int, words: str
) -> None:
    refused, detail = await api.problem("CreateAgent", MODEL | body)

    assert refused == status
    assert words in detail


async def test_a_refused_agent_leaves_nothing_behind(api: Api) -> None:
    blocks = await api.call("CountBlocks")

    await api.problem("CreateAgent", MODEL | {"memory_blocks": [{"label": "x"}], "block_ids": [f"block-{ABSENT}"]})

    assert await api.call("CountBlocks") == blocks
