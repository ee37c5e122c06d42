"""Agents of the older types: they act by calls, and end their turns by not asking to go on."""

from typing import Any

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_TOOL, ROLE_USER
from tests.runs.conftest import Replica, World
from tests.runs.fake_services import call, says, tool
from tests.runs.test_turns import finished

GO_ON = '{"x": 1, "request_heartbeat": true}'
STOP = '{"x": 1, "request_heartbeat": false}'


@pytest.fixture
def older(world: World) -> World:
    world.agents.agent_type = "memgpt_v2_agent"
    world.agents.tools = [tool("act"), tool("remember"), tool("speak")]
    rules = [{"type": "continue_loop", "tool_name": "remember"}, {"type": "exit_loop", "tool_name": "speak"}]
    world.agents.tool_rules = orjson.dumps(rules).decode()
    return world


async def test_each_call_is_asked_for_and_may_ask_to_go_on(older: World, replica: Replica) -> None:
    await finished(replica, older)

    (asked,) = older.router.requests
    assert (asked.tool_choice, asked.settings.parallel_tool_calls) == ("required", False)
    required = {each.name: orjson.loads(each.parameters or "{}").get("required") for each in asked.tools}
    assert required == {"act": ["request_heartbeat"], "remember": ["request_heartbeat"], "speak": None}


@pytest.mark.parametrize(
    ("name", "arguments", "steps", "stop_reason"),
    [
        ("act", GO_ON, 2, "end_turn"),
        ("act", STOP, 1, "end_turn"),
        ("act", "{}", 1, "end_turn"),
        ("remember", STOP, 2, "end_turn"),
        ("speak", "{}", 1, "end_turn"),
        ("speak", GO_ON, 1, "tool_rule"),
        ("unknown", STOP, 2, "end_turn"),
    ],
)
async def test_a_turn_goes_on_when_a_call_asks_for_it(
    older: World, replica: Replica, name: str, arguments: str, steps: int, stop_reason: str
) -> None:
    older.router.script = [says(calls=[call(name, arguments=arguments)])]

    run: Any = await finished(replica, older)

    assert (run.status, run.steps, run.stop_reason) == ("completed", steps, stop_reason)


async def test_the_tool_does_not_see_whether_the_turn_goes_on(older: World, replica: Replica) -> None:
    older.router.script = [says(calls=[call("act", arguments=GO_ON)])]

    await finished(replica, older)

    returned = older.router.requests[1].messages[-2].parts[0].tool_return
    assert orjson.loads(returned.value) == {"x": 1}
    asked = older.router.requests[1].messages[-3].parts[0].tool_call
    assert asked.arguments == GO_ON


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("act", GO_ON, "You asked to go on"),
        ("remember", STOP, "does not end your turn"),
        ("unknown", STOP, "A call failed"),
    ],
)
async def test_an_agent_that_goes_on_is_told_why(
    older: World, replica: Replica, name: str, arguments: str, told: str
) -> None:
    older.router.script = [says(calls=[call(name, arguments=arguments)])]

    await finished(replica, older)

    heartbeats = older.agents.texts(older.conversation, ROLE_USER)[1:]
    assert len(heartbeats) == 1
    assert told in heartbeats[0]


async def test_heartbeats_are_not_shown_while_a_run_streams(older: World, replica: Replica) -> None:
    older.router.script = [says(calls=[call("act", arguments=GO_ON)])]

    started = await replica.runs.start(older.request(without_deltas=True))
    events = await replica.watch(started.run.id)

    roles = [event.message.role for event in events if event.HasField("message")]
    assert roles == [ROLE_ASSISTANT, ROLE_TOOL, ROLE_ASSISTANT]


async def test_rules_look_back_over_heartbeats(older: World, replica: Replica) -> None:
    older.agents.tool_rules = '[{"type": "max_count_per_step", "tool_name": "act", "max_count_limit": 1}]'
    older.router.script = [says(calls=[call("act", "c1", GO_ON)]), says(calls=[call("act", "c2", GO_ON)])]

    await finished(replica, older)

    assert [tool.name for tool in older.router.requests[1].tools] == ["remember", "speak"]
    assert older.tools.executed == ["c1"]
