"""What servers say that breaks the protocol, or their own promises, costs the tool that it is about, nothing else."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from perdure.conversation.v1.message_pb2 import ToolStatus
from services.common.errors import InvalidArgument
from tests.tools.conftest import Api
from tests.tools.mcp.conftest import AddServer, Execute, Json
from tests.tools.mcp.forgetful import ForgetfulServer
from tests.tools.mcp.scripted import EXIT, OBJECT, SILENCE, plain, scripted_config

MANY = 4  # failures in a row: more than a circuit breaker bears


@pytest.mark.parametrize(
    ("unreadable", "problem"),
    [
        ({"name": "odd"}, "inputSchema: Field required"),
        ({"name": "odd", "inputSchema": {"type": "array"}}, "inputSchema.type: Input should be 'object'"),
        ({"inputSchema": OBJECT}, "name: Field required"),
        ("odd", "the tool: "),
    ],
)
async def test_a_tool_that_breaks_the_protocol_is_left_out_alone(
    api: Api, add_server: AddServer, tmp_path: Path, unreadable: Any, problem: str
) -> None:
    config = scripted_config(tmp_path / "script", [*plain("first"), unreadable, *plain("last")])
    server = await add_server(config)

    registered = await api.call("ListMcpServerTools", mcp_server_id=server["id"])
    refreshed = await api.call("RefreshMcpServer", mcp_server_id=server["id"])
    offered = await api.call("ListNamedServerTools", mcp_server_name=server["server_name"])

    assert [tool["name"] for tool in registered] == ["first", "last"]
    assert problem in refreshed["message"]
    assert [tool["health"] and tool["health"]["status"] for tool in offered] == [None, "INVALID", None]
    assert offered[1]["health"]["reasons"][0].startswith(problem)


async def test_a_tool_that_was_left_out_cannot_be_registered(api: Api, add_server: AddServer, tmp_path: Path) -> None:
    server = await add_server(scripted_config(tmp_path / "script", [{"name": "odd"}]))

    with pytest.raises(InvalidArgument, match="inputSchema: Field required"):
        await api.call("AddNamedServerTool", mcp_server_name=server["server_name"], mcp_tool_name="odd")


async def test_schemas_need_not_say_that_they_are_of_objects(api: Api, add_server: AddServer, tmp_path: Path) -> None:
    tools = [{"name": "bare", "inputSchema": {}}, {"name": "null", "inputSchema": {**OBJECT, "required": None}}]
    server = await add_server(scripted_config(tmp_path / "script", tools))

    registered = await api.call("ListMcpServerTools", mcp_server_id=server["id"])

    parameters = {"type": "object", "properties": {}, "required": []}
    assert [tool["json_schema"]["parameters"] for tool in registered] == [parameters, parameters]


PROMISED = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TEXT = [{"type": "text", "text": "hi"}]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"result": {"content": TEXT}}, "did not return structured content"),
        ({"result": {"content": TEXT, "structuredContent": {"n": "x"}}}, "Invalid structured content"),
        ({"result": {"content": [{"type": "hologram"}]}}, "its answer breaks the protocol"),
        ({"error": {"code": -32600, "message": "not like that"}}, "not like that"),
        ({"error": {"code": -32001, "message": "took too long"}}, "took too long"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_the_tools_error(
    add_server: AddServer, execute: Execute, tmp_path: Path, answer: Json, problem: str
) -> None:
    tools = [{"name": "odd", "inputSchema": OBJECT, "outputSchema": PROMISED}, *plain("count")]
    server = await add_server(scripted_config(tmp_path / "script", tools, {"odd": answer}))
    process = (await execute(server, "count")).value.split(": ")[0]

    returned = [await execute(server, "odd") for _ in range(MANY)]
    counted = await execute(server, "count")

    assert {one.status for one in returned} == {ToolStatus.TOOL_STATUS_ERROR}
    assert all(problem in one.value for one in returned)
    assert counted.value == f"{process}: {1 + MANY + 1}"  # none was made twice, over the one connection


async def test_half_a_character_does_not_lose_the_answer(
    add_server: AddServer, execute: Execute, tmp_path: Path
) -> None:
    answers = {"cut": {"result": {"content": [{"type": "text", "text": "\U0001f600 and \ud83d"}]}}}
    server = await add_server(scripted_config(tmp_path / "script", plain("cut"), answers))

    assert (await execute(server, "cut")).value == "\U0001f600 and ?"


async def test_errors_that_look_like_a_lost_connection_do_not_shut_a_server_off(
    add_server: AddServer, execute: Execute, tmp_path: Path
) -> None:
    answers = {"odd": {"error": {"code": -32000, "message": "no such file"}}}
    server = await add_server(scripted_config(tmp_path / "script", plain("odd", "count"), answers))

    returned = [await execute(server, "odd") for _ in range(MANY)]
    counted = await execute(server, "count")

    assert all("no such file" in one.value for one in returned)
    assert counted.status == ToolStatus.TOOL_STATUS_SUCCESS


async def test_a_crash_counts_once_however_many_calls_it_ends(
    add_server: AddServer, execute: Execute, tmp_path: Path
) -> None:
    answers = {"hang": SILENCE, "crash": EXIT}
    server = await add_server(scripted_config(tmp_path / "script", plain("hang", "crash", "count"), answers))
    hanging = [asyncio.ensure_future(execute(server, "hang")) for _ in range(MANY)]
    for own in itertools.count(1):
        if (await execute(server, "count")).value.endswith(f": {MANY + own}"):  # all have arrived
            break

    returned = [await execute(server, "crash"), *await asyncio.gather(*hanging)]
    afterwards = await execute(server, "count")

    assert all("Connection closed" in one.value for one in returned)
    assert afterwards.status == ToolStatus.TOOL_STATUS_SUCCESS


async def test_a_lost_session_is_opened_again_whatever_error_the_server_writes(
    add_server: AddServer, execute: Execute
) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "Session not found"}}
    forgetful = ForgetfulServer(said_of_unknown_sessions=error)
    async with forgetful.serving():
        server = await add_server({"mcp_server_type": "streamable_http", "server_url": forgetful.url})
        forgetful.forget()

        returned = await execute(server, "echo")

    assert returned.value == "heard"
