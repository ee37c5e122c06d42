"""R9: every process of every service is stopped and started again, one after the other, under load."""

import asyncio
import signal
from collections import Counter
from typing import Any

from letta_client import AsyncLetta

from tests.chaos.arena import RECOVERY_S, Arena
from tests.chaos.conftest import Figures
from tests.chaos.scale import in_full
from tests.e2e.waiting import eventually
from tests.e2e.ways import WAYS, Answer, Way, join, send

CLIENTS = 8
ROLL = 'call tool roll_dice with {"num_sides": 6}'
LONG = "Reply with 600 words [[fake: inter_token_ms=50]]"  # longer than what is under way at a stop may take
LASTING = {f"{ROLL} then {ROLL} [[fake: ttft_ms=1000]]": 3, "Reply with 100 words [[fake: inter_token_ms=40]]": 1}


async def test_r9_streams_go_on_while_a_replica_stops(arena: Arena) -> None:
    begun = asyncio.Event()
    asked = [asyncio.create_task(follow(arena, text, begun)) for text in [*LASTING] * 4]
    await begun.wait()
    arena.send(arena.random.choice(("runs", "runs-2")), signal.SIGTERM)

    answers = await asyncio.gather(*asked)

    ends = [(answer.stop_reason, answer.usage.step_count) for answer in answers]
    assert ends == [("end_turn", steps) for steps in LASTING.values()] * 4


@in_full
async def test_r9_long_streams_outlast_their_replica(arena: Arena) -> None:
    begun = asyncio.Event()
    asked = [asyncio.create_task(follow(arena, LONG, begun)) for _ in range(4)]
    await begun.wait()
    arena.send("runs", signal.SIGTERM)

    answers = await asyncio.gather(*asked)

    assert [answer.stop_reason for answer in answers] == ["end_turn"] * 4
    assert all(answer.text.endswith("w599") for answer in answers)


async def follow(arena: Arena, text: str, begun: asyncio.Event) -> Answer:
    """What the stream of an agent of its own tells, that begins and goes on."""
    agent_id = await arena.make_agent()
    stream = await arena.sdk.agents.messages.create(agent_id, input=text, streaming=True, stream_tokens=True)
    events: list[Any] = []
    async for event in stream:
        begun.set()
        events.append(event)
    return join(events)


@in_full
async def test_r9_a_rolling_restart_is_not_noticed(arena: Arena, figures: Figures) -> None:
    agents = [await arena.make_agent() for _ in range(CLIENTS)]
    rolling = asyncio.create_task(restart_all(arena))

    counts = await asyncio.gather(*(talk(arena.sdk, agent_id, rolling) for agent_id in agents))
    await rolling

    figures["answers"] = dict(sum(counts, Counter[Way]()))
    for agent_id, count in zip(agents, counts, strict=True):
        page = await arena.sdk.agents.messages.list(agent_id, limit=1000)
        kinds = Counter(message.message_type for message in page.items)
        assert (kinds["user_message"], kinds["assistant_message"]) == (count.total(), count.total())


async def talk(sdk: AsyncLetta, agent_id: str, until: "asyncio.Future[Any]") -> Counter[Way]:
    """Sends in every way, one message after the other, until the restarts are over; the SDK alone may repeat."""
    sent: Counter[Way] = Counter()
    while not until.done():
        way = WAYS[sent.total() % len(WAYS)]
        answer = await send(sdk, agent_id, f"Reply with 40 words [[fake: inter_token_ms=15]] {sent.total()}", way)
        assert answer.stop_reason == "end_turn", (way, answer)
        assert answer.text.endswith("w39"), (way, answer.text)
        sent[way] += 1
    return sent


async def restart_all(arena: Arena) -> None:
    """Stops each process in turn; the next when it is back."""
    for name in arena.service_processes:
        process = arena.stack.processes[name]
        pid = process.pid
        arena.send(name, signal.SIGTERM)

        async def is_back(name: str = name, pid: int = pid) -> bool:
            return arena.stack.processes[name].pid != pid

        await eventually(is_back, timeout_s=RECOVERY_S)
        await arena.until_whole()
