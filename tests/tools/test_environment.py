"""What calls of tools get from the organisation, and from the agent that calls."""

import asyncio
from typing import Any

import pytest

from perdure.conversation.v1.message_pb2 import ToolReturn, ToolStatus
from perdure.tools.v1.tool_service_pb2 import ExecuteRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.caller import DEFAULT_ORGANIZATION_ID
from tests.tools.conftest import TIMEOUT_S, Api, RecordingAgents
from tests.tools.sources import tool_source

AGENT = "agent-00000000-0000-4000-8000-000000000001"
SHOW = tool_source("import os\nreturn {name: os.environ.get(name) for name in ('OURS', 'BOTH', 'MINE')}", name="show")
BLOCKS = [{"label": "human", "value": "Ada."}, {"label": "locked", "value": "Fixed."}]


async def execute(stub: ToolServiceStub, tool: Any, **fields: Any) -> tuple[ToolReturn, str]:
    request = ExecuteRequest(organization_id=DEFAULT_ORGANIZATION_ID, tool_id=tool["id"], **fields)
    last = [event async for event in stub.Execute(request, timeout=TIMEOUT_S)][-1]
    return last.tool_return, last.result_json


@pytest.fixture
async def variables(api: Api) -> None:
    config = await api.call("CreateDefaultLocalSandboxConfig")
    for key, value in {"OURS": "organisation", "BOTH": "organisation"}.items():
        body = {"key": key, "value": value}
        await api.call("CreateSandboxVariable", body, sandbox_config_id=config["id"])


@pytest.mark.usefixtures("variables")
async def test_the_variables_of_the_agent_come_before_those_of_the_organisation(
    api: Api, stub: ToolServiceStub
) -> None:
    tool = await api.call("CreateTool", {"source_code": SHOW})

    returned, json = await execute(stub, tool, environment={"BOTH": "agent", "MINE": "agent"})

    assert json == '{"OURS": "organisation", "BOTH": "agent", "MINE": "agent"}'
    assert returned.value == json


@pytest.mark.usefixtures("variables")
async def test_source_that_is_not_stored_gets_them_too(api: Api) -> None:
    answer = await api.call("RunTool", {"source_code": SHOW, "args": {}, "env_vars": {"BOTH": "sent"}})

    assert answer["tool_return"] == '{"OURS": "organisation", "BOTH": "sent", "MINE": null}'


async def test_the_first_call_makes_the_sandbox_of_the_organisation(api: Api) -> None:
    config = await api.call("CreateDefaultLocalSandboxConfig")
    await api.call("DeleteSandboxConfig", sandbox_config_id=config["id"])

    await asyncio.gather(*(api.call("RunTool", {"source_code": SHOW, "args": {}}) for _ in range(3)))

    assert [one["type"] for one in await api.call("ListSandboxConfigs")] == ["local"]


async def test_a_tool_that_asks_for_it_gets_the_agent(api: Api, stub: ToolServiceStub, agents: RecordingAgents) -> None:
    agents.state = {"name": "Tester", "memory": {"blocks": BLOCKS}}
    body = "return agent_state.id + agent_state.memory.get_block('human').value"
    tool = await api.call("CreateTool", {"source_code": tool_source(body, parameters="agent_state: 'AgentState'")})

    returned, _ = await execute(stub, tool, agent_id=AGENT)

    assert returned.value == f"{AGENT}Ada."
    assert tool["json_schema"]["parameters"]["properties"] == {}
    assert agents.written == []


async def test_what_a_tool_writes_to_memory_goes_to_the_agent(
    api: Api, stub: ToolServiceStub, agents: RecordingAgents
) -> None:
    agents.state = {"memory": {"blocks": BLOCKS}}
    source = tool_source("agent_state.memory.update_block_value('human', 'Grace.')", parameters="agent_state")
    tool = await api.call("CreateTool", {"source_code": source})

    returned, _ = await execute(stub, tool, agent_id=AGENT)

    (request,) = agents.written
    assert returned.status == ToolStatus.TOOL_STATUS_SUCCESS
    assert (request.agent_id, len(request.changes)) == (AGENT, 1)
    change = request.changes[0]
    assert (change.label, change.before, change.after) == ("human", "Ada.", "Grace.")


async def test_memory_that_cannot_be_written_fails_the_call(
    api: Api, stub: ToolServiceStub, agents: RecordingAgents
) -> None:
    agents.state = {"memory": {"blocks": BLOCKS}}
    source = tool_source("agent_state.memory.update_block_value('locked', 'x')", parameters="agent_state")
    tool = await api.call("CreateTool", {"source_code": source})

    returned, _ = await execute(stub, tool, agent_id=AGENT)

    assert returned.status == ToolStatus.TOOL_STATUS_ERROR
    assert returned.value == "Error executing function probe: MemoryNotChanged: Block 'locked' is read-only."


async def test_a_call_does_not_start_without_the_agent_that_it_asks_for(api: Api, stub: ToolServiceStub) -> None:
    tool = await api.call("CreateTool", {"source_code": tool_source("print('ran')", parameters="agent_state")})

    returned, _ = await execute(stub, tool, agent_id=AGENT)

    assert returned.value == "Error executing function probe: NotStarted: Agents are busy."
    assert list(returned.stdout) == []


async def test_other_tools_do_not_ask_for_the_agent(api: Api, stub: ToolServiceStub) -> None:
    tool = await api.call("CreateTool", {"source_code": tool_source("agent_state = 1\nreturn agent_state")})

    returned, _ = await execute(stub, tool, agent_id=AGENT)  # agents would fail

    assert returned.value == "1"


async def test_images_come_beside_the_text(api: Api, stub: ToolServiceStub) -> None:
    body = (
        "return [{'type': 'text', 'text': 'Look:'},"
        " {'type': 'image', 'source': {'type': 'base64', 'media_type': 'image/png', 'data': 'aGk='}},"
        " {'type': 'image', 'source': {'type': 'url', 'url': 'https://example.com/a.png'}}]"
    )
    tool = await api.call("CreateTool", {"source_code": tool_source(body)})

    returned, _ = await execute(stub, tool)

    assert returned.value == "Look:"
    assert (returned.images[0].data, returned.images[0].media_type) == (b"hi", "image/png")
    assert returned.images[1].url == "https://example.com/a.png"


async def test_an_image_that_cannot_be_read_is_the_tools_error(api: Api, stub: ToolServiceStub) -> None:
    body = "return {'type': 'image', 'source': {'type': 'base64', 'media_type': 'image/png', 'data': '%'}}"
    tool = await api.call("CreateTool", {"source_code": tool_source(body)})

    returned, _ = await execute(stub, tool)

    assert returned.status == ToolStatus.TOOL_STATUS_ERROR
    assert "BadResult: the data of an image is not base64" in returned.value
