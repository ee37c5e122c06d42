"""What a one-step turn costs beside the model call that it makes."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp

from bench.client import PROMPT, call, create_agent, direct_request, session, stream
from bench.figures import Row, ms, percentile

CONCURRENCY = (1, 8, 32)
SECONDS = 6.0  # per measurement
AGENTS = 64  # a multiple of each concurrency: callers never share one, and histories stay short
WARM_UP = 20  # turns that are not counted
COMPLETIONS = "/openai/v1/chat/completions"

Call = Callable[[int], Awaitable[None]]  # by the number of the caller


async def measure(call_once: Call, callers: int) -> tuple[list[float], float]:
    """The seconds of each call of `callers` that call without a pause, and calls per second."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS

    async def keep_calling(number: int) -> None:
        while (began := time.perf_counter()) < end:
            await call_once(number)
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(keep_calling(number) for number in range(callers)))
    return times, len(times) / SECONDS


async def measure_turns(server: str, fake: str) -> list[Row]:
    """Rows for each number of turns at once."""
    rows = []
    async with session(server) as http, session(fake) as direct:
        agents = [await create_agent(http) for _ in range(AGENTS)]
        turns_of = Counter[int]()

        async def turn(number: int, callers: int = 1) -> None:
            agent = agents[(number + callers * turns_of[number]) % AGENTS]
            turns_of[number] += 1
            body = {"messages": [{"role": "user", "content": PROMPT}]}
            await call(http, "POST", f"/v1/agents/{agent}/messages", body)

        async def model_call(_: int) -> None:
            async for _event in stream(direct, COMPLETIONS, direct_request(PROMPT)):
                pass

        for _ in range(WARM_UP):
            await turn(0)
        for callers in CONCURRENCY:
            floor, floor_rate = await measure(model_call, callers)
            turns, rate = await measure(partial(turn, callers=callers), callers)
            rows += _rows(callers, turns, floor, rate, floor_rate)
        rows.append(await _first_token(http, direct, agents[0]))
    return rows


def _rows(callers: int, turns: list[float], floor: list[float], rate: float, floor_rate: float) -> list[Row]:
    added = {p: percentile(turns, p) - percentile(floor, p) for p in (50, 99)}
    return [
        Row(
            f"added time of a turn, {callers} at once, p50",
            ms(added[50]),
            ms(percentile(floor, 50)),
            "≤ 15 ms" if callers == 1 else "",
        ),
        Row(f"added time of a turn, {callers} at once, p99", ms(added[99]), ms(percentile(floor, 99))),
        Row(f"turns per second, {callers} at once", f"{rate:.0f}", f"{floor_rate:.0f}", "≥ 60" if callers == 8 else ""),
    ]


async def _first_token(http: aiohttp.ClientSession, direct: aiohttp.ClientSession, agent: str) -> Row:
    """Time to the first token, through the server and directly."""
    through, floor = [], []
    for _ in range(50):
        began = time.perf_counter()
        body = {"messages": [{"role": "user", "content": PROMPT}], "stream_tokens": True}
        times = [
            at async for at, event in stream(http, f"/v1/agents/{agent}/messages/stream", body) if "content" in event
        ]
        through.append(times[0] - began)
        began = time.perf_counter()
        times = [at async for at, _ in stream(direct, COMPLETIONS, direct_request(PROMPT))]
        floor.append(times[0] - began)
    return Row(
        "time to first token added, p50", ms(percentile(through, 50) - percentile(floor, 50)), ms(percentile(floor, 50))
    )
