"""Which calls of an agent wait for an approval: by the tool's default, by a rule, by the route."""

from typing import Any

import pytest

from perdure.agents.v1 import agent_service_pb2, turn_service_pb2
from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.ids import new_id
from tests.agents.neighbours import tool_id
from tests.agents.service import ABSENT, Api, Service

RULE = {"tool_name": "careful", "type": "requires_approval", "prompt_template": None}
GOES_ON = {"tool_name": "careful", "type": "continue_loop", "prompt_template": None}


@pytest.fixture
async def agent_id(api: Api) -> str:
    """An agent with one tool that wants approval by default, and one that does not."""
    agent = await api.create(include_base_tools=False, tools=["careful", "free"])
    return str(agent["id"])


async def rules_of(api: Api, agent_id: str) -> list[Any]:
    rules = (await api.call("GetAgent", agent_id=agent_id))["tool_rules"]
    return [rule for rule in rules if rule["type"] == "requires_approval"]


async def waiting(service: Service, agent_id: str) -> set[str]:
    """The tools whose calls wait in a turn that begins now."""
    request = turn_service_pb2.BeginTurnRequest(
        organization_id=DEFAULT_ORGANIZATION_ID,
        run_id=new_id("run"),
        attempt=1,
        conversation_id=agent_id,
        input=[Message(role=ROLE_USER, parts=[Part(text="hello")])],
    )
    tools = (await service.turns.BeginTurn(request)).snapshot.tools
    return {tool.name for tool in tools if tool.requires_approval}


async def approve(api: Api, agent_id: str, name: str, *, required: bool) -> Any:
    body = {"requires_approval": required}
    return await api.call("SetToolApproval", body, agent_id=agent_id, tool_name=name)


async def test_a_tool_that_asks_by_default_brings_the_rule(service: Service, agent_id: str) -> None:
    assert await rules_of(service.api, agent_id) == [RULE]
    assert await waiting(service, agent_id) == {"careful"}


async def test_an_attached_tool_that_asks_by_default_brings_the_rule(service: Service, api: Api) -> None:
    agent = await api.create(include_base_tools=False)

    await api.call("AttachTool", agent_id=agent["id"], tool_id=tool_id("careful"))

    assert await rules_of(api, agent["id"]) == [RULE]
    assert "careful" in await api.system_message(agent["id"])
    assert await waiting(service, agent["id"]) == {"careful"}


async def test_the_route_demands_approval(service: Service, api: Api, older: Api, agent_id: str) -> None:
    assert await approve(api, agent_id, "free", required=True) is None
    shown = await approve(older, agent_id, "free", required=True)

    assert [rule["tool_name"] for rule in shown["tool_rules"] if rule["type"] == "requires_approval"] == [
        "careful",
        "free",
    ]
    assert "free" in await api.system_message(agent_id)
    assert await waiting(service, agent_id) == {"careful", "free"}


async def test_the_route_spares_a_tool_that_asks_by_default(service: Service, api: Api, agent_id: str) -> None:
    await approve(api, agent_id, "careful", required=False)

    assert await rules_of(api, agent_id) == []
    assert await waiting(service, agent_id) == set()


async def test_the_route_takes_back_what_it_said(service: Service, api: Api, agent_id: str) -> None:
    await approve(api, agent_id, "careful", required=False)
    await approve(api, agent_id, "careful", required=True)

    assert await rules_of(api, agent_id) == [RULE]
    assert await waiting(service, agent_id) == {"careful"}


async def test_the_query_says_it_too_and_the_body_beats_it(service: Service, api: Api, agent_id: str) -> None:
    by_query = {"agent_id": agent_id, "tool_name": "careful"}

    await api.call("SetToolApproval", **by_query, requires_approval=False)
    assert await rules_of(api, agent_id) == []
    await api.call("SetToolApproval", {"requires_approval": True}, **by_query, requires_approval=False)

    assert await waiting(service, agent_id) == {"careful"}


async def test_other_rules_on_the_tool_stay(api: Api) -> None:
    agent = await api.create(include_base_tools=False, tools=["careful"], tool_rules=[GOES_ON])

    await approve(api, agent["id"], "careful", required=False)

    assert (await api.call("GetAgent", agent_id=agent["id"]))["tool_rules"] == [GOES_ON]


async def test_new_rules_leave_a_tool_that_asks_by_default_asking(service: Service, api: Api, agent_id: str) -> None:
    await api.call("UpdateAgent", {"tool_rules": []}, agent_id=agent_id)

    assert await waiting(service, agent_id) == {"careful"}


async def test_a_rule_beats_what_the_route_spared(service: Service, api: Api, agent_id: str) -> None:
    await approve(api, agent_id, "careful", required=False)
    await api.call("UpdateAgent", {"tool_rules": [RULE]}, agent_id=agent_id)

    assert await waiting(service, agent_id) == {"careful"}


async def test_a_spared_tool_that_stays_is_still_spared(service: Service, api: Api, agent_id: str) -> None:
    await approve(api, agent_id, "careful", required=False)
    await api.call("UpdateAgent", {"tool_ids": [tool_id("careful"), tool_id("more")]}, agent_id=agent_id)

    assert await rules_of(api, agent_id) == []
    assert await waiting(service, agent_id) == set()


async def test_a_tool_given_by_an_update_brings_the_rule(service: Service, api: Api) -> None:
    agent = await api.create(include_base_tools=False)

    await api.call("UpdateAgent", {"tool_ids": [tool_id("careful")], "tool_rules": [GOES_ON]}, agent_id=agent["id"])

    assert (await api.call("GetAgent", agent_id=agent["id"]))["tool_rules"] == [GOES_ON, RULE]
    assert "waits" in await api.system_message(agent["id"])
    assert await waiting(service, agent["id"]) == {"careful"}


async def test_a_tool_that_begins_to_ask_asks_at_every_agent_but_where_it_is_spared(service: Service, api: Api) -> None:
    asking, spared = [(await api.create(include_base_tools=False, tools=["free_till_later"]))["id"] for _ in range(2)]
    await approve(api, spared, "free_till_later", required=False)
    changed = ToolDefinition(
        id=tool_id("free_till_later"), version=2, name="free_till_later", parameters="{}", requires_approval=True
    )

    await service.agents.ApplyToolChanges(
        agent_service_pb2.ApplyToolChangesRequest(organization_id=DEFAULT_ORGANIZATION_ID, changed=[changed])
    )

    assert await waiting(service, asking) == {"free_till_later"}
    assert await waiting(service, spared) == set()


async def test_rules_follow_a_tool_that_is_renamed(service: Service, api: Api) -> None:
    rules = [
        {"type": "requires_approval", "tool_name": "old_name"},
        {"type": "run_first", "tool_name": "other"},
        {"type": "constrain_child_tools", "tool_name": "other", "children": ["old_name", "other"]}
        | {"child_arg_nodes": [{"name": "old_name", "args": {"x": 1}}]},
        {"type": "conditional", "tool_name": "other", "child_output_mapping": {"yes": "old_name"}}
        | {"default_child": "old_name"},
    ]
    agent = await api.create(include_base_tools=False, tools=["old_name", "other"], tool_rules=rules)
    renamed = ToolDefinition(id=tool_id("old_name"), version=2, name="new_name", parameters="{}")

    for _ in range(2):
        await service.agents.ApplyToolChanges(
            agent_service_pb2.ApplyToolChangesRequest(organization_id=DEFAULT_ORGANIZATION_ID, changed=[renamed])
        )

    approval, first, child, conditional = (await api.call("GetAgent", agent_id=agent["id"]))["tool_rules"]
    assert (approval["tool_name"], first["tool_name"]) == ("new_name", "other")
    assert (child["children"], child["child_arg_nodes"][0]["name"]) == (["new_name", "other"], "new_name")
    assert (conditional["child_output_mapping"], conditional["default_child"]) == ({"yes": "new_name"}, "new_name")
    assert "new_name" in await api.system_message(agent["id"])
    assert await waiting(service, agent["id"]) == {"new_name"}


@pytest.mark.parametrize(
    ("agent", "name", "body", "status", "told"),
    [
        pytest.param(f"agent-{ABSENT}", "careful", {"requires_approval": True}, 404, ABSENT, id="no such agent"),
        pytest.param("", "unknown", {"requires_approval": True}, 404, "unknown", id="no such tool"),
        pytest.param("", "careful", {}, 422, "requires_approval", id="nothing said"),
        pytest.param("", "careful", {"requires_approval": "perhaps"}, 422, "requires_approval", id="no boolean"),
    ],
)
async def test_what_the_route_refuses(
    api: Api, agent_id: str, *, agent: str, name: str, body: Any, status: int, told: str
) -> None:
    problem = await api.problem("SetToolApproval", body, agent_id=agent or agent_id, tool_name=name)

    assert problem[0] == status
    assert told in problem[1]
