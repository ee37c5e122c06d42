"""Events that are shown while Redis cannot take them, and what becomes of them when their owner dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from perdure.llm_router.v1.llm_router_service_pb2 import CompletionEvent
from services.common.errors import Unavailable
from services.common.ids import new_id
from services.common.redis import connect
from services.runs.events.numbers import LOST_NUMBERS
from services.runs.store.redis_log import RedisEventLog
from tests.runs.conftest import Replica, World, declare_dead
from tests.runs.test_redis_log import delta


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    redis = connect(redis_url)
    yield redis
    await redis.aclose()


@asynccontextmanager
async def full(redis: "Redis") -> AsyncIterator[None]:
    """A Redis that takes nothing for the time of a block."""
    before = await redis.config_get("maxmemory*")
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            await redis.config_set(name, str(before[name]))


async def test_what_redis_refuses_is_noted_then_shown_and_logged_when_there_is_room(redis: "Redis") -> None:
    run_id, told = new_id("run"), list[str]()

    async def note() -> list[str]:
        told.append("noted")
        return [run_id]

    log = RedisEventLog(redis, 1000, 60, note)
    async with full(redis):
        log.append(run_id, [delta(1)], lambda: told.append("shown"))
        await log.flush()
        assert told == ["noted", "shown"]
        log.append(run_id, [delta(2)], lambda: told.append("shown at once"))
        assert told == ["noted", "shown", "shown at once"]
    await log.flush()

    assert [event.seq for event in await log.read(run_id)] == [1, 2]
    assert told == ["noted", "shown", "shown at once"]


async def test_a_run_that_begins_after_the_note_waits_for_the_next(redis: "Redis") -> None:
    first, second, told = new_id("run"), new_id("run"), list[str]()

    async def note() -> list[str]:
        told.append("noted")
        return [first, second]

    log = RedisEventLog(redis, 1000, 60, note)
    async with full(redis):
        log.append(first, [delta(1)], lambda: told.append("first"))
        await log.flush()
        log.append(second, [delta(1)], lambda: told.append("second"))
        assert told == ["noted", "first"]
        await log.flush()

    assert told == ["noted", "first", "noted", "second"]


async def test_events_of_a_run_that_others_have_taken_are_never_shown(redis: "Redis") -> None:
    run_id, shown = new_id("run"), list[int]()

    async def note() -> list[str]:
        return []

    log, successor = (RedisEventLog(redis, 1000, 60, note) for _ in range(2))
    async with full(redis):
        log.append(run_id, [delta(1)], lambda: shown.append(1))
        await log.flush()
    await successor.take_over(run_id, 2)
    await log.flush()

    assert shown == []
    assert await log.read(run_id) == []


async def test_what_cannot_be_noted_is_shown_when_it_is_logged(redis: "Redis") -> None:
    run_id, shown = new_id("run"), list[int]()

    async def note() -> list[str]:
        raise Unavailable("The database is away.")

    log = RedisEventLog(redis, 1000, 60, note)
    async with full(redis):
        log.append(run_id, [delta(1)], lambda: shown.append(1))
        await log.flush()
        log.append(run_id, [delta(2)], lambda: shown.append(2))
        assert shown == []
    await log.flush()

    assert shown == [1, 2]
    assert [event.seq for event in await log.read(run_id)] == [1, 2]


async def test_what_a_dead_owner_showed_without_a_log_is_declared_void(
    world: World, replica: Replica, redis: "Redis"
) -> None:
    first, is_full = await world.replica(), asyncio.Event()

    async def speak(_: Any) -> AsyncIterator[CompletionEvent]:
        yield CompletionEvent(part_index=0, text="logged")
        await is_full.wait()
        yield CompletionEvent(part_index=0, text=" and not")
        await asyncio.Event().wait()

    world.router.script = [speak]
    started = await first.runs.start(world.request())
    await first.hear(started.run.id, 2)
    async with full(redis):
        is_full.set()
        await first.hear(started.run.id, 3)
        await first.die()
    await declare_dead(first)

    rest = await replica.watch(started.run.id, 3)

    assert [event.WhichOneof("event") for event in rest] == ["step_discarded", "delta", "ended"]
    assert (rest[0].step_discarded.first_seq, rest[0].seq) == (2, 3 + LOST_NUMBERS)
    assert rest[1].delta.text == "done"
