"""What may happen while a call waits for the client, and that the agent works afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta, BadRequestError, ConflictError, NotFoundError
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.human_in_the_loop import ASK, ASK_CLIENT, CAREFUL, CLIENT_TOOL, answers, approve, pending, result
from tests.e2e.tool_sources import ROLL_DICE, WAIT
from tests.e2e.waiting import eventually
from tests.e2e.ways import WAYS, Answer, Way, ended, join, last_run, messages_of, send


@dataclass(frozen=True)
class Waiting:
    """An agent with a tool of its own, whose call waits."""

    client: AsyncLetta
    http: httpx.AsyncClient
    agent: AgentState
    tool_id: str
    call_id: str

    async def answer(self) -> Answer:
        """Approves the call."""
        return await send(self.client, self.agent.id, answers(approve(self.call_id)))


@pytest.fixture
async def waiting(client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent, word: str) -> Waiting:
    source = ROLL_DICE.replace("roll_dice", f"roll_{word}")
    tool = await client.tools.upsert(source_code=source, default_requires_approval=True)
    agent = await make_agent(tool_ids=[tool.id])
    await send(client, agent.id, "Hello")
    asked = await send(client, agent.id, ASK.replace(CAREFUL, tool.name or ""))
    [call_id] = asked.waiting
    return Waiting(client, http, agent, tool.id, call_id)


Change = Callable[[Waiting], Awaitable[Any]]


async def detach(waiting: Waiting) -> None:
    await waiting.client.agents.tools.detach(waiting.tool_id, agent_id=waiting.agent.id)


async def delete_tool(waiting: Waiting) -> None:
    await waiting.client.tools.delete(waiting.tool_id)


async def rename_tool(waiting: Waiting) -> None:
    schema = dict((await waiting.client.tools.retrieve(waiting.tool_id)).json_schema or {})
    await waiting.client.tools.update(waiting.tool_id, json_schema=schema | {"name": f"new_{schema['name']}"})


async def spare(waiting: Waiting) -> None:
    name = (await waiting.client.tools.retrieve(waiting.tool_id)).name or ""
    await waiting.client.agents.tools.update_approval(name, agent_id=waiting.agent.id, body_requires_approval=False)


async def edit_agent(waiting: Waiting) -> None:
    await waiting.client.agents.update(
        waiting.agent.id, system="Be brief.", model="anthropic/claude-sonnet-4-5-20250929", tool_rules=[]
    )


async def look_at_context(waiting: Waiting) -> None:
    (await waiting.http.get(f"/v1/agents/{waiting.agent.id}/context")).raise_for_status()


async def compact(waiting: Waiting) -> None:
    body = {"compaction_settings": {"mode": "all"}}
    response = await waiting.http.post(f"/v1/agents/{waiting.agent.id}/summarize", json=body)
    compacted = response.raise_for_status().json()
    assert compacted["num_messages_after"] < compacted["num_messages_before"]


@pytest.mark.parametrize("change", [spare, edit_agent, look_at_context, compact])
async def test_the_call_is_made_as_it_was_asked_for(waiting: Waiting, change: Change) -> None:
    await change(waiting)

    answer = await waiting.answer()

    assert answer.returns == [(waiting.call_id, "success", "8")]
    assert answer.stop_reason == "end_turn"
    assert (await send(waiting.client, waiting.agent.id, "Hello")).text == "You said: Hello"


@pytest.mark.parametrize("change", [detach, delete_tool, rename_tool])
async def test_a_call_of_a_tool_that_is_gone_fails_alone(waiting: Waiting, change: Change) -> None:
    await change(waiting)

    answer = await waiting.answer()

    assert [(call_id, status) for call_id, status, _ in answer.returns] == [(waiting.call_id, "error")]
    assert "there is no tool" in answer.returns[0][2]
    assert answer.stop_reason == "end_turn"
    assert (await send(waiting.client, waiting.agent.id, "Hello")).text == "You said: Hello"


async def reset(waiting: Waiting) -> None:
    await waiting.client.agents.messages.reset(waiting.agent.id, add_default_initial_messages=False)


async def cut_window(waiting: Waiting) -> None:
    system = (await messages_of(waiting.client, waiting.agent.id))[0]
    await waiting.client.agents.update(waiting.agent.id, message_ids=[system.id])


async def put_request_first(waiting: Waiting) -> None:
    stored = [message.id for message in await messages_of(waiting.client, waiting.agent.id)]
    await waiting.client.agents.update(waiting.agent.id, message_ids=[stored[0], stored[-1], *stored[1:-1]])


async def cancel(waiting: Waiting) -> None:
    await waiting.client.agents.messages.cancel(waiting.agent.id)


async def cancel_by_id(waiting: Waiting) -> None:
    asked = (await last_run(waiting.client, waiting.agent.id)).id
    assert await waiting.client.agents.messages.cancel(waiting.agent.id, run_ids=[asked]) == {asked: "cancelled"}


async def delete_run(waiting: Waiting) -> None:
    asked = (await last_run(waiting.client, waiting.agent.id)).id
    (await waiting.http.delete(f"/v1/runs/{asked}")).raise_for_status()


@pytest.mark.parametrize("change", [reset, cut_window, put_request_first, cancel, cancel_by_id, delete_run])
async def test_a_request_that_is_void_waits_no_more(waiting: Waiting, change: Change) -> None:
    await change(waiting)

    assert await pending(waiting.client, waiting.agent.id) is None
    assert (await waiting.client.agents.retrieve(waiting.agent.id)).last_stop_reason == "cancelled"
    with pytest.raises(BadRequestError, match="No tool call is currently awaiting approval"):
        await waiting.answer()
    assert (await send(waiting.client, waiting.agent.id, "Hello")).text == "You said: Hello"


async def test_what_a_message_asks_that_stood_in_line_can_be_cancelled(waiting: Waiting) -> None:
    client, agent_id = waiting.client, waiting.agent.id
    name = (await client.tools.retrieve(waiting.tool_id)).name or ""
    await waiting.answer()
    [first] = (await send(client, agent_id, f"{ASK} then {ASK}".replace(CAREFUL, name))).waiting
    body = {"input": ASK.replace(CAREFUL, name), "on_busy": "enqueue"}
    in_line = (await waiting.http.post(f"/v1/agents/{agent_id}/messages/async", json=body)).json()["id"]
    [second] = (await send(client, agent_id, answers(approve(first)))).waiting  # a younger run than the one in line
    await send(client, agent_id, answers(approve(second)))
    assert (await ended(client, in_line)).stop_reason == "requires_approval"

    cancelled = await client.agents.messages.cancel(agent_id)

    assert cancelled == {in_line: "cancelled"}
    assert await pending(client, agent_id) is None
    assert (await send(client, agent_id, "Hello")).text == "You said: Hello"


async def test_an_answer_to_a_deleted_agent_is_404(client: AsyncLetta) -> None:
    agent = await client.agents.create(model="openai/gpt-4o-mini", include_base_tools=False)
    [call_id] = (await send(client, agent.id, ASK_CLIENT, client_tools=[CLIENT_TOOL])).waiting
    await client.agents.delete(agent.id)

    with pytest.raises(NotFoundError):
        await send(client, agent.id, answers(result(call_id, "here")))


async def test_conversations_wait_apart(client: AsyncLetta, waiting: Waiting) -> None:
    conversation = await client.conversations.create(agent_id=waiting.agent.id)
    tools: Any = [CLIENT_TOOL]

    hello = join([e async for e in await client.conversations.messages.create(conversation.id, input="Hello")])
    stream = await client.conversations.messages.create(conversation.id, input=ASK_CLIENT, client_tools=tools)
    [call_id] = join([event async for event in stream]).waiting
    with pytest.raises(ConflictError, match="waiting for approval"):
        await client.conversations.messages.create(conversation.id, input="Hello")
    with pytest.raises(BadRequestError, match="Invalid tool call IDs"):
        await client.conversations.messages.create(conversation.id, messages=answers(approve(waiting.call_id)))
    mine = join(
        [
            event
            async for event in await client.conversations.messages.create(
                conversation.id, messages=answers(result(call_id, "At home."))
            )
        ]
    )

    assert hello.text == "You said: Hello"
    assert mine.text == "The outcome: At home."
    assert (await waiting.answer()).returns == [(waiting.call_id, "success", "8")]


async def test_a_deleted_conversation_takes_its_request_with_it(client: AsyncLetta, waiting: Waiting) -> None:
    conversation = await client.conversations.create(agent_id=waiting.agent.id)
    tools: Any = [CLIENT_TOOL]
    stream = await client.conversations.messages.create(conversation.id, input=ASK_CLIENT, client_tools=tools)
    [call_id] = join([event async for event in stream]).waiting
    await client.conversations.delete(conversation.id)

    with pytest.raises(NotFoundError):
        await client.conversations.messages.create(conversation.id, messages=answers(result(call_id, "here")))

    assert (await waiting.answer()).stop_reason == "end_turn"


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_that_was_cancelled_may_be_given_again(
    client: AsyncLetta, make_agent: MakeAgent, way: Way
) -> None:
    tool = await client.tools.upsert(source_code=WAIT.replace("def wait", "def wait_if_allowed"))
    agent = await make_agent(tool_ids=[tool.id], tool_rules=[{"type": "requires_approval", "tool_name": tool.name}])
    [call_id] = (await send(client, agent.id, 'call tool wait_if_allowed with {"seconds": 60}')).waiting
    answering = asyncio.create_task(send(client, agent.id, answers(approve(call_id)), way))

    await eventually(lambda: is_busy(client, agent.id))
    cancelled = await client.agents.messages.cancel(agent.id)
    first = await answering
    stored = (await messages_of(client, agent.id))[-1]
    again = await send(client, agent.id, answers(approve(call_id)), way)

    assert first.stop_reason == "cancelled"
    assert list(cancelled.values()) == ["cancelled"]
    assert (stored.message_type, stored.status) == ("tool_return_message", "error")
    assert again.stop_reason == "end_turn"
    assert "tool_return_message" not in again.kinds
    said = [one.content for one in await messages_of(client, agent.id) if one.message_type == "user_message"]
    assert "keep-alive" in said[-1]


async def is_busy(client: AsyncLetta, agent_id: str) -> bool:
    """Whether the agent's newest run is one that answers."""
    run = await last_run(client, agent_id)
    return run.status in ("created", "running")
