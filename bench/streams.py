"""Whether streams keep the pace of the model."""

import asyncio
import time

from bench.client import create_agent, direct_request, session, stream
from bench.figures import Row, percentile
from bench.turns import COMPLETIONS

TOKENS = 300  # per stream
INTER_TOKEN_S = 0.01  # seconds: 100 tokens a second
PROMPT = f"Reply with {TOKENS} words [[fake: inter_token_ms={INTER_TOKEN_S * 1000:g}]]"
STREAMS = (1, 50)


async def measure_streams(server: str, fake: str) -> list[Row]:
    """Rows for each number of streams at once."""
    rows = []
    async with session(server) as http, session(fake) as direct:

        async def through(agent: str) -> float:
            body = {"messages": [{"role": "user", "content": PROMPT}], "stream_tokens": True}
            path = f"/v1/agents/{agent}/messages/stream"
            return _pace([at async for at, event in stream(http, path, body) if "content" in event])

        async def directly() -> float:
            return _pace([at async for at, _ in stream(direct, COMPLETIONS, direct_request(PROMPT))])

        for count in STREAMS:
            agents = [await create_agent(http) for _ in range(count)]
            floor = await asyncio.gather(*(directly() for _ in range(count)))
            began = time.perf_counter()
            paces = await asyncio.gather(*(through(agent) for agent in agents))
            total = TOKENS * count / (time.perf_counter() - began)
            slowest, fastest_possible = percentile(paces, 0), percentile(floor, 0)
            late = f"{max(0.0, (fastest_possible / slowest - 1) * 100):.1f} %"
            rows += [
                Row(f"tokens per second of the slowest of {count}", f"{slowest:.1f}", f"{fastest_possible:.1f}"),
                Row(f"late, {count} at once", late, aim="≤ 10 %" if count == 50 else ""),
                Row(f"tokens per second in all, {count} at once", f"{total:.0f}"),
            ]
    return rows


def _pace(times: list[float]) -> float:
    """Tokens per second between the first and the last."""
    return (len(times) - 1) / (times[-1] - times[0])
