"""Runs that go on whoever watches, and can be watched again from any event on, on any replica."""

import asyncio
import time

import httpx
import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState
from redis.asyncio import Redis

from services.cli.stack import Stack
from services.common.redis import connect
from tests.e2e.conftest import MakeAgent
from tests.e2e.events import DONE, Event, kinds, open_stream, read_stream, replay, text_of
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import ended, join, last_run

REPLICAS = 2
AT_ONCE_S = 0.5  # seconds; less than any pause that the server makes between two looks
TRIES = 4  # on each replica
SLOW = "Reply with 40 words [[fake: inter_token_ms=25]]"
FORTY_WORDS = " ".join(f"w{number}" for number in range(40))


def background(text: str) -> dict[str, object]:
    return {"input": text, "stream_tokens": True, "background": True}


def numbers(events: list[Event]) -> list[int]:
    """The numbers of the events that show theirs."""
    return [event.data["seq_id"] for event in events if isinstance(event.data, dict) and event.data.get("seq_id")]


@pytest.fixture
async def watched(http: httpx.AsyncClient, client: AsyncLetta, make_agent: MakeAgent) -> list[Event]:
    """All events of a finished run with a tool call."""
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id])
    body = background('call tool roll_dice with {"num_sides": 16}')
    return await read_stream(http, f"/v1/agents/{agent.id}/messages/stream", body)


def run_of(events: list[Event]) -> str:
    return str(events[0].data["run_id"])


async def test_events_are_numbered_from_one_without_gaps(watched: list[Event]) -> None:
    assert numbers(watched) == list(range(1, len(watched) - 2))  # the end's two events and [DONE] show none
    assert kinds(watched) == [
        "ping",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
        DONE,
    ]


async def test_a_replay_goes_on_after_any_event(http: httpx.AsyncClient, watched: list[Event]) -> None:
    for last in numbers(watched):
        replayed = await replay(http, run_of(watched), last)

        assert replayed == watched[last:]


async def test_every_replica_replays_the_same(http: httpx.AsyncClient, watched: list[Event]) -> None:
    replays = await asyncio.gather(*(replay(http, run_of(watched)) for _ in range(4 * REPLICAS)))

    assert all(replayed == watched[1:] for replayed in replays)


async def test_every_replica_follows_a_run_under_way(
    http: httpx.AsyncClient, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    path = f"/v1/agents/{agent.id}/messages/stream"
    async with open_stream(http, path, background(f"{SLOW} {word}")) as events:
        await vendors.wait_until_speaking(word)
        run_id = (await last_run(client, agent.id)).id

        watchers = await asyncio.gather(*(replay(http, run_id) for _ in range(4 * REPLICAS)))

        first = [event async for event in events if event.kind != "ping"]
    assert text_of(first) == FORTY_WORDS
    assert all(watcher == first for watcher in watchers)


async def test_a_client_that_goes_away_does_not_stop_the_run(
    http: httpx.AsyncClient, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    path = f"/v1/agents/{agent.id}/messages/stream"
    for number, is_background in enumerate((True, False)):
        body = {"input": f"{SLOW} {word}{number}", "stream_tokens": True, "background": is_background}
        async with open_stream(http, path, body) as events:
            run_id = (await anext(events)).data["run_id"]
            await vendors.wait_until_speaking(f"{word}{number}")

        assert (await ended(client, run_id)).status == "completed"
        assert text_of(await replay(http, run_id)) == FORTY_WORDS


async def test_a_run_started_without_a_stream_can_be_watched(
    http: httpx.AsyncClient, client: AsyncLetta, agent: AgentState
) -> None:
    run = await client.agents.messages.create_async(agent.id, input="Hello")

    events = await replay(http, run.id)

    assert kinds(events) == ["assistant_message", "stop_reason", "usage_statistics", DONE]
    assert text_of(events) == "You said: Hello"


async def test_the_sdk_replays_a_run(client: AsyncLetta, watched: list[Event]) -> None:
    stream = await client.runs.messages.stream(run_of(watched), starting_after=0)

    answer = join([event async for event in stream])

    assert answer.kinds == ["tool_call_message", "tool_return_message", "assistant_message"]
    assert answer.stop_reason == "end_turn"


async def test_a_lost_log_is_rebuilt_from_what_was_committed(
    http: httpx.AsyncClient, stack: Stack, watched: list[Event]
) -> None:
    redis: Redis = connect(stack.environment["REDIS_URL"])
    await redis.flushall()
    await redis.aclose()

    replays = [await replay(http, run_of(watched)) for _ in range(2 * REPLICAS)]

    for replayed in replays:
        shown = [event for event in replayed if event.name != "perdure.step_discarded"]  # the numbers of deltas
        assert kinds(shown) == kinds(watched)[1:]
        assert text_of(replayed) == text_of(watched)
        assert replayed == replays[0]


async def test_pings_can_be_left_out(http: httpx.AsyncClient, agent: AgentState) -> None:
    body = {"input": "Hello", "stream_tokens": True, "include_pings": False}
    events = await read_stream(http, f"/v1/agents/{agent.id}/messages/stream", body)

    assert "ping" not in kinds(events)


async def test_a_stream_is_closed_at_its_end_on_every_replica(
    http: httpx.AsyncClient, client: AsyncLetta, agent: AgentState
) -> None:
    took: list[float] = []
    for number in range(TRIES * REPLICAS):
        run = await client.agents.messages.create_async(agent.id, input=f"Hello {number}")
        async with open_stream(http, f"/v1/runs/{run.id}/stream", {}) as events:
            async for event in events:
                if event.kind == DONE:
                    ended_at = time.monotonic()
        took.append(time.monotonic() - ended_at)

    late = [seconds for seconds in took if seconds >= AT_ONCE_S]
    assert len(late) < TRIES, took  # as many as one replica has; fewer are the machine's
