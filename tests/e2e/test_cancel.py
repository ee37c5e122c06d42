"""Cancelling stops the model and the tools at once and leaves a conversation that works."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from letta_client import AsyncLetta, ConflictError
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.events import DONE, kinds, open_stream, replay
from tests.e2e.test_models import MODELS, Model
from tests.e2e.tool_sources import WAIT
from tests.e2e.vendors import Vendors
from tests.e2e.waiting import eventually
from tests.e2e.ways import WAYS, Answer, Way, ended, last_run, messages_of, send

LONG = "Reply with 1000 words [[fake: inter_token_ms=100]]"  # far longer than any test
WAITING = 'call tool wait with {"seconds": 60}'
AT_ONCE_S = 30.0  # seconds; far less than what is cancelled would take


async def send_and_cancel(
    client: AsyncLetta, agent_id: str, text: str, way: Way, when: Callable[[], Awaitable[None]]
) -> Answer:
    """Cancels an agent's run as soon as `when` returns; answers what the sender got."""
    sending = asyncio.create_task(send(client, agent_id, text, way))
    await when()
    async with asyncio.timeout(AT_ONCE_S):
        cancelled = await client.agents.messages.cancel(agent_id)
        answer = await sending
    run = await last_run(client, agent_id)
    assert cancelled == {run.id: "cancelled"}
    assert (run.status, run.stop_reason) == ("cancelled", "cancelled")
    return answer


@pytest.mark.parametrize("way", WAYS)
async def test_a_model_that_speaks_is_cut_off(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str, *, way: Way
) -> None:
    async def speaking() -> None:
        await vendors.wait_until_speaking(word)

    answer = await send_and_cancel(client, agent.id, f"{LONG} {word}", way, speaking)

    assert answer.stop_reason == "cancelled"
    await vendors.wait_until_hung_up(word)
    assert [one.message_type for one in await messages_of(client, agent.id)] == ["system_message", "user_message"]
    assert (await send(client, agent.id, "Hello", way)).text == "You said: Hello"


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda model: model.handle)
async def test_the_connection_to_every_vendor_is_closed(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str, *, model: Model
) -> None:
    agent = await make_agent(model.handle, model_settings=model.settings)
    await client.agents.messages.create_async(agent.id, input=f"{LONG} {word}")
    await vendors.wait_until_speaking(word)

    await client.agents.messages.cancel(agent.id)

    await vendors.wait_until_hung_up(word)


@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_that_runs_is_stopped(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str, *, way: Way
) -> None:
    tool = await client.tools.upsert(source_code=WAIT)
    agent = await make_agent(tool_ids=[tool.id])

    async def calling() -> None:
        async def has_called() -> bool:
            return any(one["finished"] for one in await vendors.received(word))

        await eventually(has_called)

    answer = await send_and_cancel(client, agent.id, f"{WAITING} {word}", way, calling)

    assert answer.stop_reason == "cancelled"
    assert (await send(client, agent.id, "Hello", way)).text == "You said: Hello"


async def test_a_run_is_cancelled_right_after_it_was_accepted(client: AsyncLetta, agent: AgentState) -> None:
    run = await client.agents.messages.create_async(agent.id, input=LONG)
    cancelled = await client.agents.messages.cancel(agent.id)

    assert cancelled == {run.id: "cancelled"}
    assert (await client.runs.retrieve(run.id)).status == "cancelled"
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("background", [True, False])
async def test_a_cancelled_stream_ends_like_any_other(
    http: httpx.AsyncClient,
    client: AsyncLetta,
    agent: AgentState,
    vendors: Vendors,
    word: str,
    *,
    tokens: bool,
    background: bool,
) -> None:
    body = {"input": f"{LONG} {word}", "stream_tokens": tokens, "background": background}
    async with open_stream(http, f"/v1/agents/{agent.id}/messages/stream", body) as events:
        await vendors.wait_until_speaking(word)
        await client.agents.messages.cancel(agent.id)

        seen = [event async for event in events]

    assert [event.kind for event in seen[-3:]] == ["stop_reason", "usage_statistics", DONE]
    assert seen[-3].data["stop_reason"] == "cancelled"
    assert kinds(seen).count("stop_reason") == 1
    assert kinds(await replay(http, seen[0].data["run_id"]))[-3:] == ["stop_reason", "usage_statistics", DONE]


async def test_a_run_reads_cancelled_as_soon_as_its_stream_has_ended(
    http: httpx.AsyncClient, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    body = {"input": f"{LONG} {word}", "stream_tokens": True, "background": True}
    async with open_stream(http, f"/v1/agents/{agent.id}/messages/stream", body) as events:
        await vendors.wait_until_speaking(word)
        cancelling = asyncio.create_task(client.agents.messages.cancel(agent.id))
        async for event in events:
            if event.kind == "stop_reason":
                assert (await last_run(client, agent.id)).status == "cancelled"
        await cancelling


async def test_a_run_of_a_conversation_is_cancelled_by_conversation(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, vendors: Vendors, word: str
) -> None:
    conversation = await client.conversations.create(agent_id=agent.id)
    body = {"input": f"{LONG} {word}"}
    async with open_stream(http, f"/v1/conversations/{conversation.id}/messages", body) as events:
        await vendors.wait_until_speaking(word)

        cancelled = await client.conversations.cancel(conversation.id)

        seen = [event async for event in events]
    assert cancelled == {seen[0].data["run_id"]: "cancelled"}


async def test_nothing_to_cancel_is_a_conflict(client: AsyncLetta, agent: AgentState) -> None:
    with pytest.raises(ConflictError, match="No active runs to cancel"):
        await client.agents.messages.cancel(agent.id)


async def test_cancelling_a_run_that_has_ended_leaves_its_status(client: AsyncLetta, agent: AgentState) -> None:
    run_id = (await send(client, agent.id, "Hello")).run_id

    await client.agents.messages.cancel(agent.id, run_ids=[run_id])

    assert (await ended(client, run_id)).status == "completed"
