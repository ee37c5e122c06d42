"""Processes that are killed under a turn."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from letta_client import AsyncLetta
from letta_client.types import AgentState

from services.cli.stack import Stack
from tests.e2e.conftest import MakeAgent
from tests.e2e.events import DONE, Event, open_stream, replay, text_of
from tests.e2e.vendors import Vendors
from tests.e2e.waiting import eventually
from tests.e2e.ways import ended, messages_of, send

WORDS = 100
SLOW = f"Reply with {WORDS} words [[fake: inter_token_ms=20]]"
SAID = " ".join(f"w{number}" for number in range(WORDS))


@pytest.fixture(autouse=True)
async def whole(stack: Stack, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """Leaves the stack as it was: every process answers again, and the gateway knows."""
    yield
    for target in (target for replicas in stack.targets.values() for target in replicas):
        async with grpc.aio.insecure_channel(target) as channel:
            await eventually(lambda channel=channel: is_serving(channel))  # type: ignore[misc]

    async def is_healthy() -> bool:
        return (await http.get("/healthz")).is_success

    await eventually(is_healthy)


async def is_serving(channel: grpc.aio.Channel) -> bool:
    try:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def kill(stack: Stack, name: str) -> None:
    os.kill(stack.processes[name].pid, signal.SIGKILL)


async def watch(http: httpx.AsyncClient, run_id: str) -> list[Event]:
    """All events of a run, taken up again where the connection broke."""
    seen: list[Event] = []
    while not seen or seen[-1].data != DONE:
        try:
            async with open_stream(http, f"/v1/runs/{run_id}/stream", {"starting_after": last_number(seen)}) as events:
                async for event in events:
                    seen.append(event)
        except (httpx.TransportError, AssertionError):  # the replica is gone; another one answers
            await asyncio.sleep(0.1)
    return seen


def last_number(events: list[Event]) -> int:
    return max((event.data.get("seq_id") or 0 for event in events if isinstance(event.data, dict)), default=0)


async def test_another_replica_goes_on_with_the_runs_of_a_killed_one(
    stack: Stack, http: httpx.AsyncClient, client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    agents = [await make_agent() for _ in range(4)]  # the gateway gives some to each replica
    runs = []
    for number, agent in enumerate(agents):
        runs.append(await client.agents.messages.create_async(agent.id, input=f"{SLOW} {word}{number}"))
        await vendors.wait_until_speaking(f"{word}{number}")
    watching = [asyncio.create_task(watch(http, run.id)) for run in runs]

    kill(stack, "runs-2")

    await asyncio.gather(*watching)
    for agent, run in zip(agents, runs, strict=True):
        assert (await ended(client, run.id)).status == "completed"
        assert text_of(await replay(http, run.id)) == SAID
        stored = [one.message_type for one in await messages_of(client, agent.id)]
        assert stored == ["system_message", "user_message", "assistant_message"]


async def test_a_turn_survives_a_restart_of_agents(
    stack: Stack, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    run = await client.agents.messages.create_async(agent.id, input=f"{SLOW} {word}")
    await vendors.wait_until_speaking(word)

    kill(stack, "agents")

    assert (await ended(client, run.id)).status == "completed"
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"


@pytest.mark.parametrize("service", ["llm_router", "tools"])
async def test_a_turn_survives_a_restart_of_what_it_calls(
    stack: Stack, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str, *, service: str
) -> None:
    run = await client.agents.messages.create_async(agent.id, input=f"{SLOW} {word}")
    await vendors.wait_until_speaking(word)

    kill(stack, service)

    assert (await ended(client, run.id)).status == "completed"
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"


async def test_the_trace_of_a_run_tells_of_the_process_that_was_killed(
    stack: Stack, http: httpx.AsyncClient, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    run = await client.agents.messages.create_async(agent.id, input=f"{SLOW} [[fake: inter_token_ms=60]] {word}")
    await vendors.wait_until_speaking(word)

    kill(stack, "runs")
    kill(stack, "runs-2")

    await watch(http, run.id)
    trace = (await http.get(f"/v1/runs/{run.id}/trace")).json()
    owners = {event["attempt"]: event["owner"] for event in trace if event["kind"] == "attempt"}
    takeovers = {event["attempt"]: event for event in trace if event["kind"] == "takeover"}
    assert list(owners)[:2] == [1, 2]
    assert (takeovers[2]["owner"], takeovers[2]["detail"]["taken_from"]) == (owners[2], owners[1])
    assert (trace[-1]["kind"], trace[-1]["detail"]["status"]) == ("end", "completed")
