"""The compiled system message."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.agents.memory.prompt import LINE_NUMBERS_WARNING, Prompt, PromptSource, compile_prompt
from services.contract.blocks import Block
from services.contract.tool_rules import ToolRule

rule: TypeAdapter[ToolRule] = TypeAdapter(ToolRule)


def compiled(**changes: Any) -> Prompt:
    source: dict[str, Any] = {
        "agent_id": "agent-1",
        "system": "Be kind.",
        "model": "openai/gpt-4o",
        "timezone": "Europe/Paris",
        "tool_rules": [],
        "blocks": [],
        "directories": "",
        "conversation": "default",
        "recall_messages": 3,
        "now": datetime(2026, 11, 20, 10, 3, 23, tzinfo=UTC),
    }
    return compile_prompt(PromptSource(**source | changes))


def block(**fields: Any) -> Block:
    return Block(**{"id": "block-1", "label": "human", "value": "Name: Ada\nLikes tea", "description": "d"} | fields)


def test_an_agent_without_memory_has_only_its_prompt_and_the_metadata() -> None:
    prompt = compiled()

    assert str(prompt) == f"Be kind.\n\n{prompt.memory_metadata}"
    lines = prompt.memory_metadata.split("\n")
    assert lines[:4] == [
        "<memory_metadata>",
        "- AGENT_ID: agent-1",
        "- CONVERSATION_ID: default",
        "- System prompt last recompiled: 2026-11-20 11:03:23 AM CET+0100",
    ]
    assert lines[4].startswith("- 3 ")
    assert lines[5:] == ["</memory_metadata>"]


def test_a_block_is_an_element_named_by_its_label() -> None:
    prompt = compiled(blocks=[block(read_only=True, limit=50)])

    assert prompt.memory_blocks.startswith("<memory_blocks>\n")
    assert prompt.memory_blocks.endswith("</human>\n\n</memory_blocks>")
    assert (
        "<human>\n<description>\nd\n</description>\n<metadata>\n- read_only=true\n- chars_current=19\n"
        "- chars_limit=50\n</metadata>\n<value>\nName: Ada\nLikes tea\n</value>\n</human>"
    ) in prompt.memory_blocks


def test_anthropic_s_models_see_numbered_lines_and_a_warning() -> None:
    prompt = compiled(blocks=[block(), block(label="empty", value="")], model="anthropic/claude-sonnet-4-5")

    assert f"<warning>\n{LINE_NUMBERS_WARNING}\n</warning>\n<value>\n1→ Name: Ada\n2→ Likes tea\n</value>" in str(
        prompt
    )
    assert "<value>\n</value>\n</empty>" in str(prompt)


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "constrain_child_tools", "children": ["b", "c"]},
        {"type": "run_first"},
        {"type": "exit_loop"},
        {"type": "conditional", "child_output_mapping": {"yes": "b"}, "default_child": "c"},
        {"type": "continue_loop"},
        {"type": "required_before_exit"},
        {"type": "max_count_per_step", "max_count_limit": 2},
        {"type": "parent_last_tool", "children": ["b"]},
        {"type": "requires_approval"},
    ],
)
def test_every_kind_of_rule_is_told(sent: dict[str, Any]) -> None:
    told = compiled(tool_rules=[rule.validate_python(sent | {"tool_name": "tool_a"})]).tool_usage_rules

    assert told.startswith("<tool_usage_rules>\n")
    [line] = told.split("<tool_rule>\n")[1].split("\n</tool_rule>")[:1]
    assert "tool_a" in line
    assert all(child in line for child in sent.get("children", []))


def test_a_rule_s_own_words_replace_ours() -> None:
    sent = {"type": "run_first", "tool_name": "a", "prompt_template": "Mind {{ tool_name }}!"}

    assert "<tool_rule>\nMind a!\n</tool_rule>" in compiled(tool_rules=[rule.validate_python(sent)]).tool_usage_rules
