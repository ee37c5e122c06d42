"""Memory tools with whatever a model may write: each call is a return, and what it changed can be shown again."""

import json
import random
from typing import Any

import pytest
from sqlalchemy import select

from perdure.conversation.v1.message_pb2 import ToolReturn
from services.agents.memory.tables import block_history
from tests.agents.memory.test_memory_tools import Talk, talk  # noqa: F401  # a fixture
from tests.agents.service import Service

TEXTS = ["", " ", "human", "persona", "rules", "/memories/human", "/memories/", "../x", "a/b", "<x>", "名前 🎲", "\n\n"]
TEXTS += [
    "Name: Ada",
    "1→ x",
    "\u0000",
    "%s{}\\",
    "-Name: Ada\n+Name: Eve",
    "*** Add Block: new\n+text",
    "***",
    "@@\n+x",
]
TEXTS += ["x" * 200, "2026-03-09", "2026-13-45", "0001-01-01", "9999-12-31T23:59:59", "all", "delete", "create"]
VALUES: list[Any] = [*TEXTS, None, True, 0, -1, 7, 10**20, 1.5, [], ["user"], ["human", ""], {}, {"a": 1}]
ARGUMENTS = {
    "conversation_search": ("query", "roles", "limit", "start_date", "end_date"),
    "search_memory": ("convo_keyword_queries", "start_minutes_ago", "end_minutes_ago"),
    "archival_memory_insert": ("content", "tags"),
    "archival_memory_search": ("query", "tags", "tag_match_mode", "top_k", "start_datetime", "end_datetime"),
    "memory_insert": ("label", "new_string", "insert_line"),
    "memory_replace": ("label", "old_string", "new_string"),
    "memory_rethink": ("label", "new_memory"),
    "memory_apply_patch": ("label", "patch"),
    "memory_finish_edits": (),
    "core_memory_append": ("label", "content"),
    "core_memory_replace": ("label", "old_content", "new_content"),
    "memory": ("command", "path", "file_text", "description", "old_string", "new_string", "insert_line", "new_path"),
}
COMMANDS = ("create", "str_replace", "insert", "delete", "rename")


def made_up(tool: str, chance: random.Random) -> dict[str, Any]:
    arguments = {name: chance.choice(VALUES) for name in ARGUMENTS[tool] if chance.random() < 0.9}
    if "label" in arguments and chance.random() < 0.7:
        arguments["label"] = "human"
    if tool == "memory":
        arguments["command"] = chance.choice(COMMANDS)
    return arguments


@pytest.mark.parametrize("tool", ARGUMENTS)
async def test_every_call_is_a_return(talk: Talk, tool: str) -> None:  # noqa: F811
    chance = random.Random(tool)

    for _ in range(25):
        arguments = made_up(tool, chance)
        committed = await talk.commit(tool, json.dumps(arguments))

        returned: ToolReturn = committed.messages[1].parts[0].tool_return
        assert returned.executed, arguments

    assert len(await talk.service.api.system_message(talk.agent["id"])) > 100
    assert await talk.value("rules") == "fixed"


async def test_every_change_by_a_tool_is_in_the_history_of_its_block(service: Service, talk: Talk) -> None:  # noqa: F811
    changes = [
        ("memory_insert", {"label": "human", "new_string": "two"}),
        ("memory_replace", {"label": "human", "old_string": "two", "new_string": "three"}),
        ("memory_rethink", {"label": "human", "new_memory": "four"}),
        ("core_memory_append", {"label": "human", "content": "five"}),
        ("core_memory_replace", {"label": "human", "old_content": "five", "new_content": "six"}),
        ("memory_apply_patch", {"label": "human", "patch": "-six\n+seven"}),
        ("memory", {"command": "str_replace", "path": "/memories/human", "old_string": "seven", "new_string": "eight"}),
        ("memory", {"command": "rename", "path": "/memories/human", "description": "Who they are"}),
    ]
    values = ["Name: Ada"]
    for tool, arguments in changes:
        assert (await talk.call(tool, **arguments))[0], tool
        values.append(await talk.value("human"))

    async with service.database.begin() as tx:
        query = select(block_history).where(block_history.c.block_id == talk.agent["blocks"][0]["id"])
        kept = (await tx.execute(query.order_by(block_history.c.version))).all()
    assert [row.value for row in kept] == values[:-1]
    assert {row.replaced_by_id for row in kept} == {talk.agent["id"]}
