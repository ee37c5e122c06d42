"""Agents over typed gRPC."""

from typing import Any

import grpc
import pytest

from perdure.agents.v1 import agent_pb2, turn_service_pb2
from perdure.agents.v1 import agent_service_pb2 as service_pb2
from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from perdure.conversation.v1.model_pb2 import ModelSettings, ResponseFormat, ToolDefinition
from services.common.caller import DEFAULT_ORGANIZATION_ID, DEFAULT_USER_ID
from services.common.ids import new_id
from tests.agents.neighbours import tool_id
from tests.agents.service import ABSENT, Service

WHO: dict[str, Any] = {"organization_id": DEFAULT_ORGANIZATION_ID}


async def create(service: Service, **fields: Any) -> agent_pb2.Agent:
    request = service_pb2.CreateAgentRequest(**{**WHO, "user_id": DEFAULT_USER_ID, "model": "openai/gpt-4o", **fields})
    return (await service.agents.CreateAgent(request)).agent


async def get(service: Service, agent_id: str) -> agent_pb2.Agent:
    return (await service.agents.GetAgent(service_pb2.GetAgentRequest(**WHO, agent_id=agent_id))).agent


async def test_an_agent_is_made_as_over_rest(service: Service) -> None:
    made = await create(
        service,
        name="typed",
        blocks=[agent_pb2.Block(label="human", value="Ada", read_only=True)],
        tags=["t"],
        model_settings=ModelSettings(
            temperature=0.5, max_output_tokens=100, response_format=ResponseFormat(type="json_object")
        ),
    )

    shown = await service.older.call("GetAgent", agent_id=made.id)
    assert (shown["name"], shown["tags"], shown["agent_type"]) == ("typed", ["t"], "letta_v1_agent")
    assert (shown["blocks"][0]["value"], shown["blocks"][0]["read_only"]) == ("Ada", True)
    assert shown["model_settings"]["response_format"] == {"type": "json_object"}
    assert [tool.name for tool in made.tools] == [tool["name"] for tool in shown["tools"]]
    assert (made.model_settings.temperature, made.model_settings.max_output_tokens) == (0.5, 100)
    assert made.model_settings.response_format.type == "json_object"
    assert await get(service, made.id) == made


async def test_reasoning_settings_survive_both_ways(service: Service) -> None:
    asked = ModelSettings(reasoning=True, reasoning_tokens=2048, temperature=1.0, max_output_tokens=9000)

    made = await create(service, model="anthropic/claude-sonnet-4-5-20250929", model_settings=asked)
    plain = await create(service, model="openai/gpt-4o")

    assert (made.model_settings.reasoning, made.model_settings.reasoning_tokens) == (True, 2048)
    assert not plain.model_settings.HasField("reasoning_effort")


async def test_pages_of_agents_go_on_by_token(service: Service) -> None:
    made = [(await create(service, tags=["typed-pages"])).id for _ in range(3)]
    found: list[str] = []
    token = ""

    while not found or token:
        request = service_pb2.ListAgentsRequest(**WHO, page_size=2, page_token=token, tags=["typed-pages"])
        page = await service.agents.ListAgents(request)
        found += [agent.id for agent in page.agents]
        token = page.next_page_token

    assert found == made[::-1]


async def test_an_update_changes_what_is_set(service: Service) -> None:
    made = await create(service, description="d")
    request = service_pb2.UpdateAgentRequest(
        **WHO, user_id=DEFAULT_USER_ID, agent_id=made.id, name="new", model_settings=ModelSettings(temperature=0.2)
    )

    changed = (await service.agents.UpdateAgent(request)).agent

    assert (changed.name, changed.description, changed.model) == ("new", "d", "openai/gpt-4o")
    assert changed.model_settings.temperature == 0.2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "openai/none"}, grpc.StatusCode.NOT_FOUND),
        ({"tools": ["absent"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"agent_type": "nonsense"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"block_ids": [f"block-{ABSENT}"]}, grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_errors_have_their_codes(service: Service, fields: dict[str, Any], code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(service, **fields)

    assert caught.value.code() is code


async def test_newer_tools_are_taken_over_and_deleted_ones_away(service: Service) -> None:
    made = await create(service, tools=["roll_dice"], without_base_tools=True, tool_ids=[tool_id("fly")])
    dice, fly = tool_id("roll_dice"), tool_id("fly")
    newer = ToolDefinition(id=dice, version=3, name="roll_dice", description="new")
    older = ToolDefinition(id=dice, version=2, name="roll_dice", description="old")

    for changes in ({"changed": [newer]}, {"changed": [older]}, {"deleted_tool_ids": [fly]}):
        await service.agents.ApplyToolChanges(service_pb2.ApplyToolChangesRequest(**WHO, **changes))

    assert list((await get(service, made.id)).tools) == [newer]


async def test_deleting_an_agent_ends_its_turn(service: Service) -> None:
    made = await create(service)
    run_id = new_id("run")
    await service.turns.BeginTurn(
        turn_service_pb2.BeginTurnRequest(
            **WHO,
            run_id=run_id,
            attempt=1,
            conversation_id=made.id,
            input=[Message(role=ROLE_USER, parts=[Part(text="hi")])],
        )
    )

    await service.agents.DeleteAgent(service_pb2.DeleteAgentRequest(**WHO, agent_id=made.id))

    end = turn_service_pb2.EndTurnRequest(
        **WHO, run_id=run_id, attempt=1, end=turn_service_pb2.TurnEnd(state=turn_service_pb2.TURN_STATE_COMPLETED)
    )
    assert (await service.turns.EndTurn(end)).outcome.state == turn_service_pb2.TURN_STATE_DELETED
