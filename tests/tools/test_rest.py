"""The REST face of tools, through a real channel."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from perdure.tools.v1.tool_service_pb2 import GetToolRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.caller import DEFAULT_ORGANIZATION_ID, DEFAULT_USER_ID
from services.common.database import Database
from services.common.errors import PerdureError
from services.tools.base_tools import BASE_TOOLS
from services.tools.changes import Changes
from services.tools.owner import Owner
from services.tools.registry import Registry
from services.tools.store.outbox import PostgresOutbox
from services.tools.store.tools import PostgresTools
from tests.tools.conftest import Api, RecordingAgents
from tests.tools.sources import roll_dice, tool_source

ABSENT = "tool-00000000-0000-4000-8000-00000000dead"


async def problem(api: Api, method: str, body: Any = None, **query: Any) -> tuple[int, str]:
    with pytest.raises(PerdureError) as caught:
        await api.call(method, body, **query)
    return caught.value.http_status, str(caught.value.detail)


async def test_a_new_tool_shows_all_its_fields(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("shown"), "tags": ["a"]})

    assert list(tool) == [
        "id", "tool_type", "description", "source_type", "name", "tags", "source_code", "json_schema",
        "args_json_schema", "return_char_limit", "pip_requirements", "npm_requirements", "default_requires_approval",
        "enable_parallel_execution", "created_by_id", "last_updated_by_id", "metadata_", "project_id", "network",
    ]  # fmt: skip
    assert tool["tool_type"] == "custom"
    assert tool["source_code"] == roll_dice("shown")
    assert (tool["args_json_schema"], tool["return_char_limit"]) == ({}, 50_000)
    assert tool["json_schema"]["parameters"]["required"] == ["num_sides"]
    assert await api.call("GetTool", tool_id=tool["id"]) == tool


@pytest.mark.parametrize("method", ["CreateTool", "UpsertTool"])
async def test_the_same_name_again_changes_the_tool(api: Api, method: str) -> None:
    name = f"again_{method.lower()}"
    first = await api.call(method, {"source_code": roll_dice(name), "tags": ["a"], "return_char_limit": 10})

    second = await api.call(method, {"source_code": roll_dice(name) + "# new\n", "return_char_limit": 20})

    assert (second["id"], second["tags"], second["return_char_limit"]) == (first["id"], ["a"], 20)
    assert second["source_code"].endswith("# new\n")


async def test_patch_changes_what_it_names(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("patched")})

    changed = await api.call(
        "UpdateTool", {"description": "d", "tags": ["b"], "default_requires_approval": True}, tool_id=tool["id"]
    )

    assert changed == {**tool, "description": "d", "tags": ["b"], "default_requires_approval": True}


async def test_a_new_schema_alone_renames(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("old_name")})
    schema = {"name": "new_name", "description": "New.", "parameters": {"type": "object", "properties": {}}}

    changed = await api.call("UpdateTool", {"json_schema": schema}, tool_id=tool["id"])

    assert (changed["name"], changed["json_schema"], changed["description"]) == ("new_name", schema, "New.")
    assert changed["source_code"] == roll_dice("old_name")


async def test_new_source_brings_its_schema(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("resourced")})

    changed = await api.call("UpdateTool", {"source_code": tool_source(name="resourced")}, tool_id=tool["id"])

    assert changed["json_schema"]["parameters"]["properties"] == {}


async def test_a_name_that_is_taken_is_refused(api: Api) -> None:
    await api.call("CreateTool", {"source_code": roll_dice("taken")})
    tool = await api.call("CreateTool", {"source_code": roll_dice("free")})

    status, _ = await problem(api, "UpdateTool", {"json_schema": {"name": "taken"}}, tool_id=tool["id"])

    assert status == 409


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "source_code"),
        ({"source_code": "def broken(:"}, 400, "line 1"),
        ({"source_code": "def f(): return 1"}, 400, "needs a docstring"),
        ({"source_code": roll_dice(), "json_schema": {"name": "other"}}, 400, "other"),
        ({"source_code": "export function f() {}", "source_type": "typescript"}, 400, "needs a json_schema"),
        ({"source_code": roll_dice(), "source_type": "cobol"}, 400, "Python or TypeScript"),
        ({"source_code": roll_dice(), "pip_requirements": [{"name": "https://x"}]}, 400, "https://x"),
        ({"source_code": roll_dice(), "npm_requirements": [{"name": "a b"}]}, 400, "a b"),
        ({"source_code": tool_source(name="send_message")}, 400, "comes with the server"),
        ({"source_code": roll_dice("größe")}, 400, "größe"),
        ({"source_code": roll_dice(), "json_schema": {"parameters": []}}, 400, "JSON schema of an object"),
        ({"source_code": roll_dice(), "return_char_limit": 0}, 422, "return_char_limit"),
    ],
)
async def test_what_cannot_be_created_is_refused(api: Api, body: dict[str, Any], status: int, said: str) -> None:
    found = await problem(api, "CreateTool", body)

    assert found[0] == status
    assert said in found[1]


async def test_a_deleted_tool_is_gone(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("gone")})

    assert await api.call("DeleteTool", tool_id=tool["id"]) is None

    for method in ("GetTool", "DeleteTool"):
        assert (await problem(api, method, tool_id=tool["id"]))[0] == 404
    assert (await problem(api, "UpdateTool", {}, tool_id=tool["id"]))[0] == 404


async def test_a_malformed_id_is_refused(api: Api) -> None:
    status, said = await problem(api, "GetTool", tool_id="not-an-id")

    assert status == 422
    assert "tool_id" in said


async def test_lists_are_newest_first_and_continue_after_a_tool(api: Api) -> None:
    names = [f"listed_{number}" for number in range(3)]
    for name in names:
        await api.call("CreateTool", {"source_code": roll_dice(name)})

    first = await api.call("ListTools", search="LISTED_", limit=2)
    rest = await api.call("ListTools", search="listed_", limit=2, after=first[-1]["id"])
    upwards = await api.call("ListTools", search="listed_", order="asc", before=first[0]["id"])

    assert [tool["name"] for tool in first + rest] == names[::-1]
    assert [tool["name"] for tool in upwards] == names[:2]
    assert (await problem(api, "ListTools", after=ABSENT))[0] == 404


async def test_filters(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("filtered")})

    async def names(**query: Any) -> set[str]:
        return {found["name"] for found in await api.call("ListTools", limit=1000, **query)}

    assert await names(name="filtered") == {"filtered"}
    assert await names(names=["filtered", "send_message"]) == {"filtered", "send_message"}
    assert await names(tool_ids=[tool["id"]]) == {"filtered"}
    assert await names(search="%") == set()
    assert await names(tool_types=["letta_core"]) == {
        "send_message",
        "conversation_search",
        "archival_memory_insert",
        "archival_memory_search",
    }
    assert "filtered" not in await names(return_only_letta_tools=True)
    assert "send_message" not in await names(exclude_tool_types=["letta_core"])
    assert await api.call("CountTools", name="filtered") == 1
    everything, own = await api.call("CountTools"), await api.call("CountTools", exclude_letta_tools=True)
    assert everything - own == len(await names(return_only_letta_tools=True))


async def test_listing_brings_deleted_base_tools_back(api: Api) -> None:
    (before,) = await api.call("ListTools", name="memory_insert")
    await api.call("DeleteTool", tool_id=before["id"])

    (after,) = await api.call("ListTools", name="memory_insert")

    assert after == {**before, "id": after["id"]}
    assert len(await api.call("AddBaseTools")) == len(BASE_TOOLS)


async def test_base_tools_of_an_older_server_are_renewed(
    api: Api, database: Database, agents: RecordingAgents, changes: Changes
) -> None:
    (before,) = await api.call("ListTools", name="memory_insert")
    (touched,) = await api.call("ListTools", name="memory_rethink")
    await api.call("UpdateTool", {"description": "Mine."}, tool_id=touched["id"])
    async with database.begin() as transaction:
        old = """UPDATE tools.tools SET json_schema = '{"name": "x", "description": "Old."}',
            description = CASE name WHEN 'memory_insert' THEN 'Old.' ELSE description END
            WHERE name LIKE 'memory_%'"""
        await transaction.execute(text(old))
    restarted = Registry(database, PostgresTools(), PostgresOutbox(), changes)
    owner = Owner(DEFAULT_ORGANIZATION_ID, DEFAULT_USER_ID)

    after = {tool.tool.id: tool for tool in await restarted.base_tools(owner)}
    await changes.deliver(DEFAULT_ORGANIZATION_ID)

    assert after[before["id"]].tool.json_schema == before["json_schema"]
    assert after[before["id"]].description == before["description"]
    assert after[touched["id"]].description == "Mine."
    assert after[touched["id"]].tool.json_schema == touched["json_schema"]
    assert "memory_insert" in [tool.name for tool in agents.told[-1].changed]


async def test_a_rename_must_be_one_that_providers_take(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("renameable")})

    status, _ = await problem(api, "UpdateTool", {"json_schema": {"name": "two words"}}, tool_id=tool["id"])

    assert status == 400


async def test_base_tools_keep_their_source_and_schema(api: Api) -> None:
    (tool,) = await api.call("ListTools", name="memory_replace")

    changed = await api.call("UpdateTool", {"default_requires_approval": True}, tool_id=tool["id"])
    status, _ = await problem(api, "UpdateTool", {"source_code": roll_dice()}, tool_id=tool["id"])

    assert changed["default_requires_approval"]
    assert status == 400


async def test_run_answers_a_return_that_is_not_stored(api: Api) -> None:
    source = tool_source("import os\nprint('out')\nreturn os.environ['A']")

    answer = await api.call("RunTool", {"source_code": source, "args": {}, "env_vars": {"A": "b"}})

    assert answer.pop("date")
    returned = {"tool_return": "b", "status": "success", "tool_call_id": "null", "stdout": ["out\n"], "stderr": []}
    assert answer == {
        "id": "null", "name": None, "message_type": "tool_return_message", "otid": None, "sender_id": None,
        "step_id": None, "is_err": None, "seq_id": None, "run_id": None,
        **returned, "tool_returns": [{"type": "tool", **returned}],
    }  # fmt: skip


async def test_run_tells_of_a_failure(api: Api) -> None:
    answer = await api.call("RunTool", {"source_code": tool_source("1 / 0"), "args": {}})

    assert answer["status"] == "error"
    assert answer["tool_return"] == "Error executing function probe: ZeroDivisionError: division by zero"
    assert answer["stderr"][0].startswith("Traceback (most recent call last):\n")


async def test_run_picks_the_function_that_is_named(api: Api) -> None:
    source = tool_source("return 1", name="one") + tool_source("return 2", name="two")

    answer = await api.call("RunTool", {"source_code": source, "args": {}, "name": "one"})

    assert answer["tool_return"] == "1"
    assert (await problem(api, "RunTool", {"source_code": source, "args": {}, "name": "no"}))[0] == 400


async def test_run_shows_images_as_parts(api: Api) -> None:
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    source = tool_source(f"return [{{'type': 'text', 'text': 'Look:'}}, {image}]")

    answer = await api.call("RunTool", {"source_code": source, "args": {}})

    text = {"type": "text", "text": "Look:", "signature": None}
    shown = {"type": "image", "source": {**image["source"], "detail": None}}
    assert answer["tool_return"] == "Look:"
    assert answer["tool_returns"][0]["tool_return"] == [text, shown]


async def test_what_a_tool_needs_is_kept(api: Api) -> None:
    needs: dict[str, Any] = {
        "network": True,
        "pip_requirements": [{"name": "six", "version": ">=1.16"}],
        "npm_requirements": [{"name": "is-number", "version": None}],
    }
    tool = await api.call("CreateTool", {"source_code": roll_dice("needy"), **needs})

    changed = await api.call("UpdateTool", {"network": False}, tool_id=tool["id"])
    same = await api.call("CreateTool", {"source_code": roll_dice("needy")})

    assert {name: tool[name] for name in needs} == needs
    assert changed == same == {**tool, "network": False}


async def test_a_tool_in_typescript_is_kept_with_the_schema_that_was_sent(api: Api) -> None:
    schema = {"name": "twice", "description": "Doubles.", "parameters": {"type": "object", "properties": {}}}
    body = {"source_code": "export function twice() {}", "source_type": "typescript", "json_schema": schema}
    tool = await api.call("CreateTool", body)

    changed = await api.call("UpdateTool", {"source_code": "export const twice = 2"}, tool_id=tool["id"])

    assert (tool["name"], tool["source_type"], tool["json_schema"]) == ("twice", "typescript", schema)
    assert (changed["source_code"], changed["json_schema"]) == ("export const twice = 2", schema)


async def test_whether_calls_may_run_in_parallel_is_shown_as_false_until_somebody_says(
    api: Api, stub: ToolServiceStub
) -> None:
    async def is_parallel(tool: Any) -> bool:
        request = GetToolRequest(organization_id=DEFAULT_ORGANIZATION_ID, tool_id=tool["id"])
        return (await stub.GetTool(request)).tool.definition.parallel

    unsaid = await api.call("CreateTool", {"source_code": roll_dice("unsaid")})
    alone = await api.call("CreateTool", {"source_code": roll_dice("alone"), "enable_parallel_execution": False})
    beside = await api.call("CreateTool", {"source_code": roll_dice("beside"), "enable_parallel_execution": True})

    shown = [tool["enable_parallel_execution"] for tool in (unsaid, alone, beside)]
    assert shown == [False, False, True]
    assert [await is_parallel(tool) for tool in (unsaid, alone, beside)] == [True, False, True]


async def test_changes_at_the_same_time_are_all_kept(api: Api) -> None:
    tool = await api.call("CreateTool", {"source_code": roll_dice("crowded")})
    changes = [{"tags": ["t"]}, {"network": True}, {"return_char_limit": 7}, {"description": "d"}]

    await asyncio.gather(*(api.call("UpdateTool", change, tool_id=tool["id"]) for change in changes))

    assert await api.call("GetTool", tool_id=tool["id"]) == {
        **tool, "tags": ["t"], "network": True, "return_char_limit": 7, "description": "d",
    }  # fmt: skip


async def test_generate_schema_reads_only(api: Api) -> None:
    schema = await api.call("GenerateToolSchema", {"code": roll_dice("unstored")})

    assert schema["name"] == "unstored"
    assert await api.call("CountTools", name="unstored") == 0
