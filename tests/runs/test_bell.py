"""Wake-ups between replicas, through the real Redis."""

import asyncio

from services.common.redis import connect
from services.runs.store.bell import CHANNEL, RedisBell
from tests.runs.conftest import TIMEOUT_S, eventually


async def test_what_is_no_text_does_not_end_the_listening(redis_url: str) -> None:
    redis = connect(redis_url)
    bell, heard = RedisBell(redis), list[str]()
    listening = asyncio.create_task(bell.listen(heard.append))
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            if await redis.publish(CHANNEL, b"\xff"):  # it listens
                break
            await asyncio.sleep(0.02)

    await bell.ring("queue")

    await eventually(lambda: "queue" in heard)
    listening.cancel()
    await asyncio.wait([listening])
    await redis.aclose()
