"""The typed face of tools, through a real channel."""

import asyncio
from typing import Any

import grpc
import orjson
import pytest
from grpc.aio import AioRpcError

from perdure.conversation.v1.message_pb2 import ToolReturn, ToolStatus
from perdure.conversation.v1.model_pb2 import ToolKind
from perdure.tools.v1.tool_pb2 import Requirement, Tool
from perdure.tools.v1.tool_service_pb2 import (
    DeleteToolRequest,
    DescribeToolsRequest,
    ExecuteRequest,
    GetSandboxRequest,
    GetToolRequest,
    ListToolsRequest,
    UpsertToolRequest,
)
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.ids import new_id
from services.tools.base_tools import BASE_TOOLS
from services.tools.sandbox.sandbox import Sandbox
from tests.tools.conftest import TIMEOUT_S
from tests.tools.processes import has_ended, has_started
from tests.tools.sources import roll_dice, sleeping_source, tool_source


async def upsert(stub: ToolServiceStub, organization_id: str, source: str, return_char_limit: int = 0) -> Tool:
    request = UpsertToolRequest(
        organization_id=organization_id, user_id="user-1", source_code=source, return_char_limit=return_char_limit
    )
    return (await stub.UpsertTool(request, timeout=TIMEOUT_S)).tool


async def execute(stub: ToolServiceStub, organization_id: str, tool: Tool, arguments: str = "{}") -> ToolReturn:
    request = ExecuteRequest(
        organization_id=organization_id, tool_id=tool.definition.id, call_id="call_1", arguments=arguments
    )
    return [event async for event in stub.Execute(request, timeout=TIMEOUT_S)][-1].tool_return


async def test_versions_grow_with_each_change(stub: ToolServiceStub, organization_id: str) -> None:
    first = await upsert(stub, organization_id, roll_dice())
    same = await upsert(stub, organization_id, roll_dice())
    changed = await upsert(stub, organization_id, roll_dice() + "# changed\n")

    assert [tool.definition.version for tool in (first, same, changed)] == [1, 1, 2]
    assert {tool.definition.id for tool in (first, same, changed)} == {first.definition.id}
    assert orjson.loads(changed.json)["source_code"].endswith("# changed\n")


@pytest.mark.parametrize("wrong", [{"json_schema": "{"}, {"json_schema": "[1]"}, {"return_char_limit": -1}])
async def test_upsert_refuses_what_it_cannot_read(stub: ToolServiceStub, wrong: dict[str, Any]) -> None:
    with pytest.raises(AioRpcError) as caught:
        await stub.UpsertTool(UpsertToolRequest(source_code=roll_dice(), **wrong), timeout=TIMEOUT_S)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_a_tool_needs_is_typed_too(stub: ToolServiceStub, organization_id: str) -> None:
    request = UpsertToolRequest(
        organization_id=organization_id,
        source_code=roll_dice(),
        network=True,
        pip_requirements=[Requirement(name="six", version=">=1.16")],
        npm_requirements=[Requirement(name="is-number")],
        enable_parallel_execution=False,
    )

    tool = (await stub.UpsertTool(request, timeout=TIMEOUT_S)).tool

    assert tool.network
    assert list(tool.pip_requirements) == [Requirement(name="six", version=">=1.16")]
    assert list(tool.npm_requirements) == [Requirement(name="is-number")]
    assert not tool.definition.parallel


async def test_typescript_needs_its_schema(stub: ToolServiceStub, organization_id: str) -> None:
    request = UpsertToolRequest(organization_id=organization_id, source_code="export {}", source_type="typescript")

    with pytest.raises(AioRpcError) as caught:
        await stub.UpsertTool(request, timeout=TIMEOUT_S)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "needs a json_schema" in (caught.value.details() or "")


async def test_the_sandbox_tells_its_layers_once_it_runs(stub: ToolServiceStub, sandbox: Sandbox) -> None:
    before = await stub.GetSandbox(GetSandboxRequest(), timeout=TIMEOUT_S)
    await sandbox.start()
    after = await stub.GetSandbox(GetSandboxRequest(), timeout=TIMEOUT_S)

    assert (list(before.layers), before.are_enough) == ([], False)
    assert after.are_enough
    assert "seccomp" in after.layers


async def test_tools_are_their_organisations_own(stub: ToolServiceStub, organization_id: str) -> None:
    tool = await upsert(stub, organization_id, roll_dice())

    with pytest.raises(AioRpcError) as caught:
        await stub.GetTool(GetToolRequest(organization_id=new_id("org"), tool_id=tool.definition.id))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_describe_gives_ids_before_names_and_none_twice(stub: ToolServiceStub, organization_id: str) -> None:
    one = await upsert(stub, organization_id, roll_dice("one"))
    two = await upsert(stub, organization_id, roll_dice("two"))

    names = ["memory_insert", "one", "two", "send_message"]
    request = DescribeToolsRequest(organization_id=organization_id, tool_ids=[two.definition.id], names=names)
    found = (await stub.DescribeTools(request, timeout=TIMEOUT_S)).tools

    assert [tool.name for tool in found] == ["two", "memory_insert", "one", "send_message"]
    assert found[2] == one.definition
    server, memory = ToolKind.TOOL_KIND_SERVER, ToolKind.TOOL_KIND_MEMORY
    assert [tool.kind for tool in found] == [server, memory, server, server]
    assert orjson.loads(found[2].parameters)["required"] == ["num_sides"]


async def test_describe_names_what_does_not_exist(stub: ToolServiceStub, organization_id: str) -> None:
    request = DescribeToolsRequest(organization_id=organization_id, names=["send_message", "no_such_tool"])

    with pytest.raises(AioRpcError) as caught:
        await stub.DescribeTools(request, timeout=TIMEOUT_S)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "no_such_tool" in (caught.value.details() or "")


async def test_lists_go_on_where_a_page_ends(stub: ToolServiceStub, organization_id: str) -> None:
    await upsert(stub, organization_id, roll_dice())
    names: list[str] = []
    token = ""

    while not names or token:
        request = ListToolsRequest(organization_id=organization_id, page_size=3, page_token=token)
        page = await stub.ListTools(request, timeout=TIMEOUT_S)
        names += [tool.definition.name for tool in page.tools]
        token = page.next_page_token

    assert sorted(names) == sorted([*BASE_TOOLS, "roll_dice"])


async def test_execute_streams_and_ends_with_the_return(stub: ToolServiceStub, organization_id: str) -> None:
    body = "import sys\nprint('out', x)\nprint('err', file=sys.stderr)\nreturn x"
    tool = await upsert(stub, organization_id, tool_source(body, parameters="x: int", documented="x: The x."))
    request = ExecuteRequest(
        organization_id=organization_id, tool_id=tool.definition.id, call_id="call_1", arguments='{"x": 1}'
    )

    events = [event async for event in stub.Execute(request, timeout=TIMEOUT_S)]

    assert "".join(event.stdout for event in events) == "out 1\n"
    assert "".join(event.stderr for event in events) == "err\n"
    returned = events[-1].tool_return
    assert (returned.call_id, returned.name, returned.value) == ("call_1", "probe", "1")
    assert returned.status == ToolStatus.TOOL_STATUS_SUCCESS
    assert (list(returned.stdout), list(returned.stderr)) == (["out 1\n"], ["err\n"])
    assert returned.executed


async def test_a_long_result_says_that_it_was_cut(stub: ToolServiceStub, organization_id: str) -> None:
    tool = await upsert(stub, organization_id, tool_source("return 'x' * 1000"), return_char_limit=100)

    returned = await execute(stub, organization_id, tool)

    assert returned.value.startswith("x" * 100)
    assert "function output was truncated" in returned.value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"num_sides": ', "the arguments are not valid JSON"),
        ("[1]", "the arguments are not a JSON object"),
        ("", "missing 1 required positional argument: 'num_sides'"),
        ('{"num_sides": "many"}', "invalid literal for int() with base 10: 'many'"),
    ],
)
async def test_wrong_arguments_are_the_models_to_correct(
    stub: ToolServiceStub, organization_id: str, arguments: str, said: str
) -> None:
    tool = await upsert(stub, organization_id, roll_dice())

    returned = await execute(stub, organization_id, tool, arguments)

    assert returned.status == ToolStatus.TOOL_STATUS_ERROR
    assert returned.value.startswith("Error executing function roll_dice: ")
    assert said in returned.value


@pytest.mark.parametrize("number", [2**63 + 1, 2**70 + 1, -(10**30)])
async def test_integers_of_any_size_arrive_exactly(stub: ToolServiceStub, organization_id: str, number: int) -> None:
    tool = await upsert(stub, organization_id, roll_dice())

    returned = await execute(stub, organization_id, tool, f'{{"num_sides": {number}}}')

    assert returned.value == str(number)


async def test_a_renamed_tool_still_runs(stub: ToolServiceStub, organization_id: str) -> None:
    schema = '{"name": "probe", "description": "d", "parameters": {"type": "object", "properties": {}}}'
    request = UpsertToolRequest(
        organization_id=organization_id, source_code="def probe(): return 5", json_schema=schema
    )
    tool = (await stub.UpsertTool(request, timeout=TIMEOUT_S)).tool

    assert (await execute(stub, organization_id, tool)).value == "5"


async def test_a_deleted_tool_cannot_be_executed(stub: ToolServiceStub, organization_id: str) -> None:
    tool = await upsert(stub, organization_id, roll_dice())
    await stub.DeleteTool(DeleteToolRequest(organization_id=organization_id, tool_id=tool.definition.id))

    with pytest.raises(AioRpcError) as caught:
        await execute(stub, organization_id, tool)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_memory_tools_run_elsewhere(stub: ToolServiceStub, organization_id: str) -> None:
    request = ListToolsRequest(organization_id=organization_id, page_size=100)
    tools = {tool.definition.name: tool for tool in (await stub.ListTools(request, timeout=TIMEOUT_S)).tools}

    with pytest.raises(AioRpcError) as caught:
        await execute(stub, organization_id, tools["memory_insert"])

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await execute(stub, organization_id, tools["send_message"], '{"message": "hi"}')).value


async def test_calls_run_side_by_side(stub: ToolServiceStub, organization_id: str) -> None:
    tool = await upsert(stub, organization_id, tool_source("print('started')\nimport time\ntime.sleep(60)"))
    request = ExecuteRequest(organization_id=organization_id, tool_id=tool.definition.id)
    calls = [stub.Execute(request) for _ in range(3)]

    started = await asyncio.gather(*(anext(aiter(call)) for call in calls))

    assert [event.stdout for event in started] == ["started\n"] * 3
    assert not any(call.done() for call in calls)
    for call in calls:
        call.cancel()


async def test_cancelling_kills_the_tool(stub: ToolServiceStub, organization_id: str) -> None:
    source = sleeping_source("65.25", then="time.sleep(60)")
    tool = await upsert(stub, organization_id, source)
    call = stub.Execute(ExecuteRequest(organization_id=organization_id, tool_id=tool.definition.id))
    await anext(aiter(call))
    assert await has_started("65.25")

    call.cancel()

    assert await has_ended("65.25")
