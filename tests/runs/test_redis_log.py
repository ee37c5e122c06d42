"""The event log in a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from perdure.runs.v1.run_pb2 import MessageDelta, RunEvent
from services.common.ids import new_id
from services.common.redis import connect
from services.runs.store.redis_log import RedisEventLog


@pytest.fixture
async def log(redis_url: str) -> AsyncIterator[RedisEventLog]:
    redis = connect(redis_url)
    yield RedisEventLog(redis, 1000, kept_s=60)
    await redis.aclose()


def delta(seq: int) -> RunEvent:
    return RunEvent(seq=seq, attempt=1, delta=MessageDelta(message_id="message-1", text=str(seq)))


async def test_one_who_is_cancelled_while_it_writes_loses_no_events_of_others(log: RedisEventLog) -> None:
    run_id = new_id("run")
    shown: list[int] = []
    log.append(run_id, [delta(1)], lambda: shown.append(1))

    writing = asyncio.create_task(log.flush())
    await asyncio.sleep(0)  # it has begun to write
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with asyncio.timeout(10):
        while True:
            if await log.read(run_id):
                break
            await asyncio.sleep(0.01)
    log.append(run_id, [delta(2)], lambda: shown.append(2))
    await log.flush()

    assert shown == [1, 2]
    assert [event.seq for event in await log.read(run_id)] == [1, 2]
