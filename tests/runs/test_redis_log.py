"""The event log in a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from perdure.runs.v1.run_pb2 import MessageDelta, RunEvent
from services.common.ids import new_id
from services.common.redis import connect
from services.runs.store.redis_log import WAITING_EVENTS, RedisEventLog
from tests.runs.conftest import TIMEOUT_S


@pytest.fixture
async def log(redis_url: str) -> AsyncIterator[RedisEventLog]:
    async def note() -> list[str]:
        return []

    redis = connect(redis_url)
    yield RedisEventLog(redis, 1000, 60, note)
    await redis.aclose()


def delta(seq: int, *, attempt: int = 1) -> RunEvent:
    return RunEvent(seq=seq, attempt=attempt, delta=MessageDelta(message_id="message-1", text=str(seq)))


async def test_one_who_is_cancelled_while_it_writes_loses_no_events_of_others(log: RedisEventLog) -> None:
    run_id = new_id("run")
    shown: list[int] = []
    log.append(run_id, [delta(1)], lambda: shown.append(1))

    writing = asyncio.create_task(log.flush())
    await asyncio.sleep(0)  # it has begun to write
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            if await log.read(run_id):
                break
            await asyncio.sleep(0.01)
    log.append(run_id, [delta(2)], lambda: shown.append(2))
    await log.flush()

    assert shown == [1, 2]
    assert [event.seq for event in await log.read(run_id)] == [1, 2]


async def test_a_run_whose_log_is_given_up_is_shown_and_logged_again_by_its_next_owner(log: RedisEventLog) -> None:
    run_id = new_id("run")
    shown: list[str] = []

    log.append(run_id, [delta(seq) for seq in range(1, WAITING_EVENTS + 2)], lambda: shown.append("too many"))
    await log.flush()
    log.append(run_id, [delta(WAITING_EVENTS + 2)], lambda: shown.append("given up"))
    told_before = await log.take_over(run_id, 2)
    log.append(run_id, [delta(1, attempt=2)], lambda: shown.append("retaken"))
    await log.flush()

    assert shown == ["too many", "given up", "retaken"]
    assert told_before == []
    assert [event.attempt for event in await log.read(run_id)] == [2]
