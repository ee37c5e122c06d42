"""Memory tools, as a turn runs them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from perdure.agents.v1 import turn_service_pb2 as turns
from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_USER,
    STOP_REASON_END_TURN,
    TOOL_STATUS_SUCCESS,
    Message,
    Part,
    ToolCall,
)
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.ids import new_id
from tests.agents.service import Service


@dataclass
class Talk:
    """One agent with the blocks `human` ("Name: Ada"), `persona` ("kind", limit 10) and `rules` (read-only)."""

    service: Service
    agent: Any

    async def call(self, tool: str, *, conversation_id: str = "", **arguments: Any) -> tuple[bool, str]:
        """Whether a call in a turn of its own succeeded, and its value."""
        committed = await self.commit(tool, orjson.dumps(arguments).decode(), conversation_id)
        returned = committed.messages[1].parts[0].tool_return
        return returned.status == TOOL_STATUS_SUCCESS, returned.value

    async def commit(self, tool: str, arguments: str, conversation_id: str = "") -> turns.CommitStepResponse:
        """The stored step of a turn that calls a tool."""
        call = ToolCall(id=new_id("call"), name=tool, arguments=arguments)
        return await self.step(call, conversation_id=conversation_id)

    async def step(self, *calls: ToolCall, conversation_id: str = "") -> turns.CommitStepResponse:
        """The only step of a turn, stored, with these calls."""
        run_id, where = new_id("run"), conversation_id or self.agent["id"]
        await self.service.turns.BeginTurn(
            turns.BeginTurnRequest(
                organization_id=DEFAULT_ORGANIZATION_ID,
                run_id=run_id,
                attempt=1,
                conversation_id=where,
                input=[Message(role=ROLE_USER, parts=[Part(text="Remember this about the lighthouse.")])],
            )
        )
        parts = [Part(tool_call=call) for call in calls]
        return await self.service.turns.CommitStep(
            turns.CommitStepRequest(
                organization_id=DEFAULT_ORGANIZATION_ID,
                run_id=run_id,
                attempt=1,
                step=1,
                assistant=Message(id=new_id("message"), role=ROLE_ASSISTANT, parts=parts),
                tool_message_id=new_id("message"),
                end=turns.TurnEnd(state=turns.TURN_STATE_COMPLETED, stop_reason=STOP_REASON_END_TURN),
            )
        )

    async def value(self, label: str) -> str:
        """What a block holds."""
        block = await self.service.api.call("GetCoreMemoryBlock", agent_id=self.agent["id"], block_label=label)
        return str(block["value"])

    async def labels(self) -> list[str]:
        """The labels of the agent's blocks."""
        memory = await self.service.api.call("GetCoreMemory", agent_id=self.agent["id"])
        return [block["label"] for block in memory["blocks"]]


@pytest.fixture
async def talk(service: Service) -> Talk:
    blocks = [
        {"label": "human", "value": "Name: Ada"},
        {"label": "persona", "value": "kind", "limit": 10},
        {"label": "rules", "value": "fixed", "read_only": True},
    ]
    return Talk(service, await service.api.create(memory_blocks=blocks))


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("memory_insert", {"new_string": "Likes tea"}, "Name: Ada\nLikes tea"),
        ("memory_insert", {"new_string": "Likes tea", "insert_line": 0}, "Likes tea\nName: Ada"),
        ("memory_replace", {"old_string": "Ada", "new_string": "Grace"}, "Name: Grace"),
        ("memory_rethink", {"new_memory": "Grace"}, "Grace"),
        ("core_memory_append", {"content": "Likes milk"}, "Name: Ada\nLikes milk"),
        ("core_memory_replace", {"old_content": "a", "new_content": "o"}, "Nome: Ado"),
        ("memory_apply_patch", {"patch": "-Name: Ada\n+Name: Grace\n+Likes tea"}, "Name: Grace\nLikes tea"),
    ],
)
async def test_edits_answer_the_new_value(talk: Talk, tool: str, arguments: dict[str, Any], value: str) -> None:
    assert await talk.call(tool, label="human", **arguments) == (True, value)
    assert await talk.value("human") == value
    assert value in await talk.service.api.system_message(talk.agent["id"])


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("memory_replace", {"label": "human", "old_string": "none", "new_string": "x"}, "'none'"),
        ("memory_replace", {"label": "human", "old_string": "a", "new_string": "x"}, "2 times"),
        ("memory_insert", {"label": "human", "new_string": "x", "insert_line": 9}, "insert_line"),
        ("memory_insert", {"label": "human", "new_string": "1→ x"}, "line numbers"),
        ("memory_insert", {"label": "none", "new_string": "x"}, "human, persona, rules"),
        ("memory_insert", {"label": "rules", "new_string": "x"}, "read-only"),
        ("memory_insert", {"label": "human"}, "new_string"),
        ("memory_rethink", {"label": "persona", "new_memory": "far too long"}, "limit is 10"),
        ("memory_rethink", {"label": "human", "new_memory": "1→ Grace"}, "line numbers"),
        ("memory_apply_patch", {"label": "human", "patch": "Name: Grace"}, "changes nothing"),
        ("memory_apply_patch", {"label": "human", "patch": "+Likes tea"}, "where 'Likes tea' belongs"),
        ("memory", {"command": "str_replace", "path": "human", "old_string": "Name: "}, "new_string"),
        ("memory", {"command": "insert", "path": "human", "insert_text": None}, "insert_text"),
        ("memory", {"command": "rename", "path": "human", "new_path": "", "description": ""}, "new_path"),
        ("memory", {"command": "delete", "path": "/memories/"}, "names no block"),
        ("memory", {"command": "create", "path": "/memories/human"}, "human"),
        ("memory", {"command": "create", "path": "/memories/a\nb"}, "one line"),
        ("memory", {"command": "create", "path": "/memories/</human>"}, "without '<'"),
        ("memory", {"command": "create", "path": "x" * 201}, "201 characters"),
        ("memory", {"command": "rename", "old_path": "human", "new_path": "<b>"}, "without '<'"),
        ("memory_apply_patch", {"label": "", "patch": "*** Add Block:\n+one"}, "one line"),
        ("conversation_search", {"start_date": "yesterday"}, "yesterday"),
        ("archival_memory_fly", {}, "archival_memory_fly"),
    ],
)
async def test_what_cannot_be_done_is_an_error_return(
    talk: Talk, tool: str, arguments: dict[str, Any], words: str
) -> None:
    succeeded, value = await talk.call(tool, **arguments)

    assert not succeeded
    assert words in value
    assert [await talk.value(label) for label in ("human", "persona", "rules")] == ["Name: Ada", "kind", "fixed"]


async def test_broken_arguments_are_an_error_return(talk: Talk) -> None:
    committed = await talk.commit("memory_insert", '{"label": "hum')

    assert "Invalid JSON" in committed.messages[1].parts[0].tool_return.value


async def test_a_step_that_changes_memory_answers_the_new_prompt(talk: Talk) -> None:
    committed = await talk.commit("memory_rethink", '{"label": "human", "new_memory": "Grace"}')

    assert "Grace" in committed.system.parts[0].text


async def test_blocks_are_made_renamed_and_deleted_by_path(talk: Talk) -> None:
    await talk.call("memory", command="create", path="/memories/notes", file_text="text", description="d")
    await talk.call("memory", command="insert", path="/memories/notes", insert_line=0, insert_text="first")
    replaced = await talk.call(
        "memory", command="str_replace", path="/memories/notes", old_string="text", new_string="x"
    )
    await talk.call("memory", command="rename", old_path="/memories/notes", new_path="/memories/log")
    renamed = await talk.labels()
    await talk.call("memory", command="delete", path="/memories/log")

    assert replaced == (True, "first\nx")
    assert renamed == ["human", "persona", "rules", "log"]
    assert await talk.labels() == ["human", "persona", "rules"]


@pytest.mark.parametrize("path", ["/memories/notes", "memories/notes", "notes", "/notes"])
async def test_paths_are_labels_however_they_begin(talk: Talk, path: str) -> None:
    await talk.call("memory", command="create", path=path, file_text="text")

    assert await talk.value("notes") == "text"


async def test_the_block_that_the_old_path_names_is_renamed(talk: Talk) -> None:
    await talk.call("memory", command="rename", path="/memories/human", old_path="/memories/persona", new_path="self")

    assert await talk.labels() == ["human", "self", "rules"]


async def test_renaming_keeps_the_description_that_an_empty_one_leaves_open(talk: Talk) -> None:
    await talk.call("memory", command="rename", path="human", description="Who they are")
    await talk.call("memory", command="rename", old_path="human", new_path="user", description="")

    memory = await talk.service.api.call("GetCoreMemory", agent_id=talk.agent["id"])
    assert [block["description"] for block in memory["blocks"] if block["label"] == "user"] == ["Who they are"]


@pytest.mark.parametrize(
    ("tool", "arguments", "left_out"),
    [
        ("memory", {"command": "create", "path": "notes"}, ("file_text", "description", "old_string", "insert_line")),
        ("memory_insert", {"label": "human", "new_string": "x"}, ("insert_line",)),
        ("archival_memory_search", {"query": "x"}, ("tags", "tag_match_mode", "top_k", "start_datetime")),
    ],
)
async def test_arguments_that_are_null_are_left_out(
    talk: Talk, tool: str, arguments: dict[str, Any], left_out: tuple[str, ...]
) -> None:
    succeeded, value = await talk.call(tool, **{**arguments, **dict.fromkeys(left_out)})

    assert succeeded, value


async def test_one_patch_changes_several_blocks(talk: Talk) -> None:
    patch = (
        "*** Begin Patch\n*** Add Block: notes\nDescription: d\n+one\n+two\n*** Update Block: human\n"
        "-Name: Ada\n+Name: Grace\n*** Move to: user\n*** Delete Block: persona\n*** End Patch"
    )

    succeeded, _ = await talk.call("memory_apply_patch", label="", patch=patch)

    assert succeeded
    assert await talk.labels() == ["user", "rules", "notes"]
    assert (await talk.value("user"), await talk.value("notes")) == ("Name: Grace", "one\ntwo")


async def test_a_patch_that_fails_midway_leaves_nothing_behind(talk: Talk) -> None:
    patch = "*** Add Block: notes\n+one\n*** Delete Block: none"

    succeeded, _ = await talk.call("memory_apply_patch", label="", patch=patch)

    assert not succeeded
    assert await talk.labels() == ["human", "persona", "rules"]


async def test_a_shared_block_changes_in_the_prompts_of_others(talk: Talk) -> None:
    other = await talk.service.api.create(block_ids=[talk.agent["blocks"][0]["id"]])

    await talk.call("memory_rethink", label="human", new_memory="Grace")

    assert "Grace" in await talk.service.api.system_message(other["id"])


async def test_a_conversation_s_own_copy_leaves_the_agent_s_block_alone(talk: Talk) -> None:
    conversation = await talk.service.api.call(
        "CreateConversation", {"isolated_block_labels": ["human"]}, agent_id=talk.agent["id"]
    )

    answer = await talk.call(
        "memory_rethink", conversation_id=conversation["id"], label="human", new_memory="only here"
    )

    assert answer == (True, "only here")
    assert await talk.value("human") == "Name: Ada"
    [copy] = conversation["isolated_block_ids"]
    assert (await talk.service.api.call("GetBlock", block_id=copy))["value"] == "only here"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("memory", {"command": "rename", "old_path": "human", "new_path": "user"}),
        ("memory", {"command": "delete", "path": "human"}),
        ("memory_apply_patch", {"label": "", "patch": "*** Update Block: human\n*** Move to: user"}),
        ("memory_apply_patch", {"label": "", "patch": "*** Delete Block: human"}),
    ],
)
async def test_a_conversation_s_own_copy_keeps_its_label(talk: Talk, tool: str, arguments: dict[str, Any]) -> None:
    conversation = await talk.service.api.call(
        "CreateConversation", {"isolated_block_labels": ["human"]}, agent_id=talk.agent["id"]
    )

    succeeded, value = await talk.call(tool, conversation_id=conversation["id"], **arguments)
    _, written = await talk.call("core_memory_append", conversation_id=conversation["id"], label="human", content="x")

    assert (succeeded, "own copy" in value) == (False, True)
    assert written == "Name: Ada\nx"
    assert await talk.value("human") == "Name: Ada"


async def test_past_messages_are_found_by_words_roles_and_dates(talk: Talk) -> None:
    await talk.call("memory_finish_edits")

    _, found = await talk.call("conversation_search", query="LIGHTHOUSE", roles=["user"], limit=1)
    _, later = await talk.call("conversation_search", query="lighthouse", start_date="2999-01-01")

    assert found.startswith("{'message': 'Showing 1 results:', 'results': [{'timestamp': ")
    assert "'role': 'user'" in found
    assert "about the lighthouse." in found
    assert later == "{'message': 'Showing 0 results:', 'results': []}"


@pytest.mark.parametrize("tool", ["conversation_search", "search_memory"])
async def test_what_a_search_found_is_not_found_again(talk: Talk, tool: str) -> None:
    await talk.call(tool)

    _, by_words = await talk.call("conversation_search", query="lighthouse", roles=["user", "tool"])
    _, by_roles = await talk.call("conversation_search", roles=["tool"])

    assert "'role': 'user'" in by_words
    assert [found.count("'role': 'tool'") for found in (by_words, by_roles)] == [0, 0]


@pytest.mark.parametrize(
    ("timezone", "hours"), [("Asia/Tokyo", 9), ("Etc/GMT+7", -7), ("UTC", 0)], ids=["east", "west", "utc"]
)
async def test_dates_of_a_search_are_in_the_agent_s_zone(service: Service, timezone: str, hours: int) -> None:
    talk = Talk(service, await service.api.create(timezone=timezone))
    await talk.call("memory_finish_edits")
    local = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=hours)
    hour_ago, in_an_hour = ((local + timedelta(hours=more)).isoformat() for more in (-1, 1))

    _, since = await talk.call("conversation_search", query="lighthouse", start_date=hour_ago)
    _, until = await talk.call("conversation_search", query="lighthouse", end_date=hour_ago)
    _, later = await talk.call("conversation_search", query="lighthouse", start_date=in_an_hour)

    assert f"{hours:+03}:00'" in since
    assert [found.count("'content'") for found in (until, later)] == [0, 0]


async def test_what_was_said_lately_is_found_by_any_of_some_words(talk: Talk) -> None:
    await talk.call("memory_finish_edits")

    _, found = await talk.call("search_memory", convo_keyword_queries=["nobody", "LIGHTHOUSE"], start_minutes_ago=5)
    _, earlier = await talk.call("search_memory", convo_keyword_queries=["lighthouse"], end_minutes_ago=5)
    _, everything = await talk.call("search_memory")

    assert "about the lighthouse." in found
    assert earlier == "{'message': 'Showing 0 results:', 'results': []}"
    assert "about the lighthouse." in everything
