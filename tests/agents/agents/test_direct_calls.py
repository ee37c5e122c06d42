"""Calls of an agent's tools by the API, and what tools see and change of an agent."""

from typing import Any

import orjson
import pytest

from perdure.agents.v1.agent_service_pb2 import BlockChange, ChangeMemoryRequest, GetAgentStateRequest
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.errors import PerdureError
from services.common.status import rpc_errors
from tests.agents.service import ABSENT, Service

HUMAN = {"label": "human", "value": "Ada."}


async def call(service: Service, agent_id: str, tool: str, **arguments: Any) -> Any:
    return await service.api.call("RunAgentTool", {"args": arguments}, agent_id=agent_id, tool_name=tool)


async def rewrite(service: Service, agent_id: str, *changes: tuple[str, str, str]) -> None:
    request = ChangeMemoryRequest(
        organization_id=DEFAULT_ORGANIZATION_ID,
        agent_id=agent_id,
        changes=[BlockChange(label=label, before=before, after=after) for label, before, after in changes],
    )
    with rpc_errors():
        await service.agents.ChangeMemory(request)


async def value_of(service: Service, agent_id: str, label: str) -> str:
    return str((await service.api.call("GetCoreMemoryBlock", agent_id=agent_id, block_label=label))["value"])


async def test_a_call_answers_how_it_ended(service: Service) -> None:
    agent = await service.api.create(tools=["server_echo"], secrets={"TOKEN": "t"}, include_base_tools=False)

    answer = await call(service, agent["id"], "server_echo", word="hello")

    assert answer == {
        "status": "success",
        "func_return": {"args": {"word": "hello"}, "env": {"TOKEN": "t"}, "agent": agent["id"]},
        "agent_state": None,
        "stdout": ["echoed\n"],
        "stderr": [],
        "sandbox_config_fingerprint": None,
    }


async def test_a_body_need_not_be_sent(service: Service) -> None:
    agent = await service.api.create(tools=["server_echo"], include_base_tools=False)

    answer = await service.api.call("RunAgentTool", agent_id=agent["id"], tool_name="server_echo")

    assert answer["func_return"]["args"] == {}


async def test_a_memory_tool_changes_the_agents_memory(service: Service) -> None:
    agent = await service.api.create(memory_blocks=[HUMAN], tools=["core_memory_append"])

    answer = await call(service, agent["id"], "core_memory_append", label="human", content="Likes chess.")

    assert answer["status"] == "success"
    assert await value_of(service, agent["id"], "human") == "Ada.\nLikes chess."
    assert "Likes chess." in await service.api.system_message(agent["id"])


async def test_a_memory_tool_that_fails_is_a_result(service: Service) -> None:
    agent = await service.api.create(memory_blocks=[HUMAN], tools=["core_memory_append"])

    answer = await call(service, agent["id"], "core_memory_append", label="goals", content="None.")

    assert answer["status"] == "error"
    assert answer["func_return"].startswith("Error executing function core_memory_append: ")


async def test_only_tools_of_the_agent_are_called(service: Service) -> None:
    agent = await service.api.create(include_base_tools=False)

    foreign = await service.api.problem("RunAgentTool", agent_id=agent["id"], tool_name="server_echo")
    nobody = await service.api.problem("RunAgentTool", agent_id=f"agent-{ABSENT}", tool_name="server_echo")

    assert (foreign[0], nobody[0]) == (404, 404)
    assert "server_echo" in foreign[1]


async def test_tools_see_the_agent_without_its_secrets(service: Service) -> None:
    agent = await service.api.create(memory_blocks=[HUMAN], tags=["a"], secrets={"TOKEN": "hunter2"})
    request = GetAgentStateRequest(organization_id=DEFAULT_ORGANIZATION_ID, agent_id=agent["id"])

    state = orjson.loads((await service.agents.GetAgentState(request)).json)

    assert (state["id"], state["name"], state["tags"]) == (agent["id"], agent["name"], ["a"])
    assert state["memory"]["blocks"][0]["value"] == "Ada."
    assert "hunter2" not in orjson.dumps(state).decode()


async def test_what_tools_write_to_memory_is_kept(service: Service) -> None:
    agent = await service.api.create(memory_blocks=[HUMAN])

    await rewrite(service, agent["id"], ("human", "Ada.", "Grace."))

    assert await value_of(service, agent["id"], "human") == "Grace."
    assert "Grace." in await service.api.system_message(agent["id"])


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (("goals", "", "None."), 404, "goals"),
        (("human", "Somebody.", "Grace."), 409, "changed by somebody else"),
        (("human", "Ada.", "x" * 101), 400, "its limit is 100"),
        (("persona", "Kind.", "Rude."), 403, "read-only"),
    ],
)
async def test_memory_is_changed_whole_or_not_at_all(
    service: Service, change: tuple[str, str, str], status: int, said: str
) -> None:
    persona = {"label": "persona", "value": "Kind.", "read_only": True}
    notes = {"label": "notes", "value": "Old."}
    agent = await service.api.create(memory_blocks=[{**HUMAN, "limit": 100}, persona, notes])

    with pytest.raises(PerdureError, match=said) as caught:
        await rewrite(service, agent["id"], ("notes", "Old.", "New."), change)

    assert caught.value.http_status == status
    assert await value_of(service, agent["id"], "notes") == "Old."
