"""Agents that talk to other agents: each message is a run of the receiver, a child of the sender's run."""

import ast
import asyncio
from typing import Any

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import (
    ROLE_SYSTEM,
    ROLE_TOOL,
    TOOL_STATUS_ERROR,
    TOOL_STATUS_SUCCESS,
    ToolCall,
    ToolReturn,
)
from perdure.conversation.v1.model_pb2 import TOOL_KIND_AGENT
from services.common.errors import Unavailable
from services.common.ids import new_id
from services.runs.children import delivery
from services.runs.children.delivery import MAX_DEPTH
from services.runs.children.family import ParentEnded
from services.runs.children.letter import Letter
from services.runs.children.tools import ASK, ASK_TAGGED
from services.runs.records import RunFilter
from services.runs.turns.tools import CallContext
from tests.runs.conftest import ORGANIZATION, Replica, World, declare_dead, eventually
from tests.runs.fake_services import call, fails, says, tool

TELL = "send_message_to_agent_async"


class _VendorAway(Unavailable):
    reason = "LLM_UNAVAILABLE"


@pytest.fixture
def talkative(world: World) -> World:
    world.agents.tools = [tool(name, TOOL_KIND_AGENT, idempotent=True) for name in (ASK, TELL, ASK_TAGGED)]
    return world


@pytest.fixture
def receiver() -> str:
    """The agent that is talked to."""
    return new_id("agent")


def asks(receiver: str, call_id: str = "call-1", tool_name: str = ASK) -> ToolCall:
    arguments = orjson.dumps({"message": "Which day is it?", "other_agent_id": receiver}).decode()
    return call(tool_name, call_id, arguments)


def returns(world: World, conversation: str = "") -> list[ToolReturn]:
    history = world.agents.histories[conversation or world.conversation]
    return [part.tool_return for message in history if message.role == ROLE_TOOL for part in message.parts]


async def carried_out(replica: Replica, world: World, **fields: Any) -> Any:
    """A run from its request to its end."""
    started = await replica.runs.start(world.request(**fields))
    return await replica.wait_for(started.run.id, lambda run: run.is_final)


async def runs_of(replica: Replica, agent_id: str) -> list[Any]:
    return list(await replica.runs.list(ORGANIZATION, RunFilter(conversation_id=agent_id)))


async def test_the_answer_of_another_agent_is_what_the_call_returns(
    talkative: World, replica: Replica, receiver: str
) -> None:
    talkative.router.script = [says(calls=[asks(receiver)]), says("It is", " Friday.")]

    run = await carried_out(replica, talkative)

    assert (run.status, run.steps) == ("completed", 2)
    [returned] = returns(talkative)
    assert (returned.status, returned.executed) == (TOOL_STATUS_SUCCESS, True)
    assert returned.value == f"{{'agent_id': '{receiver}', 'response': ['It is Friday.']}}"
    [child] = await runs_of(replica, receiver)
    assert (child.parent_run_id, child.status, child.user_id) == (run.id, "completed", run.user_id)


async def test_the_receiver_learns_who_says_what(talkative: World, replica: Replica, receiver: str) -> None:
    talkative.router.script = [says(calls=[asks(receiver)])]

    await carried_out(replica, talkative)

    sender = talkative.conversation.replace("conv-", "agent-")
    [message] = next(begin.input for begin in talkative.agents.begins if begin.conversation_id == receiver)
    assert (message.role, message.sender_id) == (ROLE_SYSTEM, sender)
    assert "Which day is it?" in message.parts[0].text
    assert sender in message.parts[0].text


async def test_what_an_older_agent_says_by_a_call_is_its_answer(
    talkative: World, replica: Replica, receiver: str
) -> None:
    spoken = call("send_message", "call-2", '{"message": "Friday"}')
    talkative.agents.tools.append(tool("send_message"))
    talkative.router.script = [says(calls=[asks(receiver)]), says(calls=[spoken])]

    await carried_out(replica, talkative)

    assert ast.literal_eval(returns(talkative)[0].value)["response"] == ["Friday", "done"]


async def test_a_message_that_waits_for_no_answer_returns_at_once(
    talkative: World, replica: Replica, receiver: str
) -> None:
    gate = asyncio.Event()
    talkative.router.script = [says(calls=[asks(receiver, tool_name=TELL)])]
    talkative.router.script += [says("one", "two", gate=gate), says("one", "two", gate=gate)]
    started = await replica.runs.start(talkative.request())

    await eventually(lambda: len(returns(talkative)) == 1)

    assert returns(talkative)[0].value == f"The message is with {receiver}."
    assert [child.is_final for child in await runs_of(replica, receiver)] == [False]
    gate.set()
    await replica.wait_for(started.run.id, lambda run: run.is_final)


async def test_all_agents_with_the_tags_answer(talkative: World, replica: Replica) -> None:
    others = [new_id("agent"), new_id("agent")]
    talkative.agents.tagged = [*others, talkative.conversation.replace("conv-", "agent-")]
    arguments = '{"message": "Report", "match_all": ["worker"], "match_some": ["a", "b"]}'
    talkative.router.script = [says(calls=[call(ASK_TAGGED, arguments=arguments)]), says("well"), says("well")]

    await carried_out(replica, talkative)

    entries = ast.literal_eval(returns(talkative)[0].value)
    assert entries == [{"agent_id": agent_id, "response": ["well"]} for agent_id in others]
    assert "ListAgents ['worker'] ['a', 'b']" in talkative.agents.calls


async def test_one_agent_of_many_that_cannot_answer_is_told_beside_the_others(
    talkative: World, replica: Replica, receiver: str
) -> None:
    gone = new_id("agent")
    talkative.agents.tagged = [gone, receiver]
    talkative.agents.missing = {gone}
    arguments = '{"message": "Report", "match_all": ["worker"], "match_some": []}'
    talkative.router.script = [says(calls=[call(ASK_TAGGED, arguments=arguments)]), says("well")]

    await carried_out(replica, talkative)

    [missing, answered] = ast.literal_eval(returns(talkative)[0].value)
    assert missing == {"agent_id": gone, "error": f"There is no agent {gone}."}
    assert answered == {"agent_id": receiver, "response": ["well"]}


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        (ASK, '{"message": "x"}', "other_agent_id: Field required"),
        (ASK, '{"message": "x", "other_agent_id": "conv-1"}', "other_agent_id: String should match"),
        (ASK, '{"message": "", "other_agent_id": "agent-1"}', "message: String should have at least 1 character"),
        (ASK, '{"message": "x", "other_agent_id": "agent-missing"}', "There is no agent agent-missing."),
        (TELL, '{"message": "x", "other_agent_id": "agent-missing"}', "There is no agent agent-missing."),
        (ASK_TAGGED, '{"message": "x", "match_all": [], "match_some": []}', "at least one tag"),
        (ASK_TAGGED, '{"message": "x", "match_all": null, "match_some": null}', "at least one tag"),
    ],
)
async def test_what_cannot_be_sent_is_an_error_return(
    talkative: World, replica: Replica, name: str, arguments: str, told: str
) -> None:
    talkative.agents.missing = {"agent-missing"}
    talkative.router.script = [says(calls=[call(name, arguments=arguments)])]

    run = await carried_out(replica, talkative)

    [returned] = returns(talkative)
    assert (run.status, returned.status) == ("completed", TOOL_STATUS_ERROR)
    assert returned.value.startswith(f"Error executing function {name}: ")
    assert told in returned.value


async def test_an_agent_cannot_talk_to_itself(talkative: World, replica: Replica) -> None:
    itself = talkative.conversation.replace("conv-", "agent-")
    talkative.router.script = [says(calls=[asks(itself)])]

    await carried_out(replica, talkative)

    assert "to yourself" in returns(talkative)[0].value


async def test_an_agent_cannot_wait_for_one_that_waits_for_it(
    talkative: World, replica: Replica, receiver: str
) -> None:
    first = new_id("agent")
    talkative.router.script = [says(calls=[asks(receiver)]), says(calls=[asks(first, "call-2")]), says("alone")]

    await carried_out(replica, talkative, conversation_id=first)

    assert "waits for your own answer" in returns(talkative, receiver)[0].value
    assert "'response': ['alone']" in returns(talkative, first)[0].value


async def test_agents_cannot_set_each_other_off_without_end(talkative: World, replica: Replica) -> None:
    line = [new_id("agent") for _ in range(MAX_DEPTH)]
    talkative.router.script = [says(calls=[asks(agent_id, agent_id)]) for agent_id in line]

    await carried_out(replica, talkative)

    assert f"{MAX_DEPTH} times in a row" in returns(talkative, line[-2])[0].value
    assert await runs_of(replica, line[-1]) == []


async def test_an_agent_that_fails_is_an_error_return(talkative: World, replica: Replica, receiver: str) -> None:
    talkative.router.script = [says(calls=[asks(receiver)]), fails(_VendorAway("Nobody answers."))]

    run = await carried_out(replica, talkative)

    assert run.status == "completed"
    assert f"{receiver} could not answer: " in returns(talkative)[0].value


async def test_an_agent_that_takes_too_long_goes_on_alone(talkative: World, receiver: str) -> None:
    hurried = await talkative.replica(agent_reply_timeout_s=0.1)
    gate = asyncio.Event()
    talkative.router.script = [says(calls=[asks(receiver)]), says("one", "two", gate=gate)]

    await carried_out(hurried, talkative)

    assert "has not answered within 0.1 s" in returns(talkative)[0].value
    [child] = await runs_of(hurried, receiver)
    assert child.status == "running"
    gate.set()
    await hurried.wait_for(child.id, lambda run: run.status == "completed")


async def test_a_message_waits_for_a_receiver_that_is_busy(talkative: World, replica: Replica, receiver: str) -> None:
    gate = asyncio.Event()
    talkative.router.script = [says("busy", "free", gate=gate)]
    await replica.runs.start(talkative.request(conversation_id=receiver))
    await eventually(lambda: len(talkative.router.requests) == 1)
    talkative.router.script = [says(calls=[asks(receiver)]), says("now")]
    started = await replica.runs.start(talkative.request())
    await eventually(lambda: len(talkative.router.requests) == 2)

    gate.set()
    await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert "'response': ['now']" in returns(talkative)[0].value


async def test_a_message_that_waits_for_no_answer_stands_in_line(
    talkative: World, replica: Replica, receiver: str
) -> None:
    gate = asyncio.Event()
    talkative.router.script = [says("busy", "free", gate=gate)]
    await replica.runs.start(talkative.request(conversation_id=receiver))
    await eventually(lambda: len(talkative.router.requests) == 1)
    talkative.router.script = [says(calls=[asks(receiver, tool_name=TELL)]), says("sent"), says("read")]
    run = await carried_out(replica, talkative)

    gate.set()
    told = next(one for one in await runs_of(replica, receiver) if one.parent_run_id == run.id)
    await replica.wait_for(told.id, lambda run: run.status == "completed")

    assert talkative.agents.texts(receiver) == ["busyfree", "read"]


async def test_a_receiver_that_stays_busy_is_an_error_return(
    talkative: World, replica: Replica, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_S", 0.0)
    talkative.router.script = [says("busy", "free", gate=asyncio.Event())]
    await replica.runs.start(talkative.request(conversation_id=receiver))
    await eventually(lambda: len(talkative.router.requests) == 1)
    talkative.router.script = [says(calls=[asks(receiver)])]

    await carried_out(replica, talkative)

    assert f"{receiver} is busy" in returns(talkative)[0].value


async def test_a_receiver_that_asks_for_an_approval_is_an_error_return(
    talkative: World, replica: Replica, receiver: str
) -> None:
    talkative.agents.tools.append(tool("act", requires_approval=True))
    talkative.router.script = [says(calls=[asks(receiver)]), says(calls=[call("act", "call-2")])]

    await carried_out(replica, talkative)

    assert "until a person approves" in returns(talkative)[0].value


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_cancelling_a_run_cancels_what_it_started(
    talkative: World, replica: Replica, receiver: str, elsewhere: bool
) -> None:
    other = await talkative.replica()
    grandchild = new_id("agent")
    talkative.router.script = [says(calls=[asks(receiver)]), says(calls=[asks(grandchild, "call-2")])]
    talkative.router.script += [says("one", "two", gate=asyncio.Event())]
    started = await replica.runs.start(talkative.request())
    await eventually(lambda: len(talkative.router.requests) == 3)

    await (other if elsewhere else replica).runs.cancel(ORGANIZATION, started.run.id)

    family = [await replica.runs.get(ORGANIZATION, started.run.id)]
    family += await runs_of(replica, receiver) + await runs_of(replica, grandchild)
    assert [run.status for run in family] == ["cancelled"] * 3
    await eventually(lambda: talkative.router.cancelled == 1)


async def test_a_run_that_was_cancelled_starts_nothing_more(talkative: World, replica: Replica, receiver: str) -> None:
    talkative.router.script = [says("one", "two", gate=asyncio.Event())]
    started = await replica.runs.start(talkative.request())
    await replica.runs.cancel(ORGANIZATION, started.run.id)

    with pytest.raises(ParentEnded):
        await replica.runs.start(talkative.request(conversation_id=receiver, parent_run_id=started.run.id))

    assert await runs_of(replica, receiver) == []


async def test_a_new_owner_finds_the_run_that_the_old_one_started(
    talkative: World, replica: Replica, receiver: str
) -> None:
    first, gate = await talkative.replica(), asyncio.Event()
    talkative.router.script = [says(calls=[asks(receiver)]), says("lost", "words", gate=gate)]
    started = await first.runs.start(talkative.request())
    await eventually(lambda: len(talkative.router.requests) == 2)
    await first.die()
    await declare_dead(replica)

    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert (run.status, run.attempt) == ("completed", 2)
    assert "'response': ['done']" in returns(talkative)[0].value
    [child] = await runs_of(replica, receiver)
    assert (child.status, child.attempt) == ("completed", 2)
    assert len([begin for begin in talkative.agents.begins if begin.run_id == child.id]) == 2


async def test_the_same_message_sent_again_is_the_same_run(talkative: World, replica: Replica, receiver: str) -> None:
    talkative.router.script = [says(calls=[asks(receiver)])]
    started = await replica.runs.start(talkative.request())
    await eventually(lambda: len(returns(talkative)) == 1)
    [child] = await runs_of(replica, receiver)
    _, step_id, call_id, _ = child.request_id.split("/")
    agent_id = talkative.conversation.replace("conv-", "agent-")
    sender = CallContext(ORGANIZATION, "user", agent_id, started.run.id, step_id, environment={})
    letter = Letter(sender, call_id, receiver, "Which day is it?", awaits_reply=True)

    repeated = await replica.runs.start(letter.request())

    assert (repeated.attached, repeated.run.id) == (True, child.id)
