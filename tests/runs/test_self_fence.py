"""A process that cannot stamp stops its turns."""

import asyncio
from collections.abc import Collection, Sequence

import pytest

from services.runs.line import Interrupted
from services.runs.records import Claimed, Run
from services.runs.recovery import heartbeat
from services.runs.recovery.heartbeat import Pulse, ReplicaHeartbeat
from tests.runs.conftest import TIMEOUT_S, Replica, World, eventually
from tests.runs.fake_services import says


class SilentDatabase:
    """Answers no heartbeat."""

    async def beat(
        self, mine: Collection[str], delivered: Collection[tuple[str, str]], *, takes_runs: bool = True
    ) -> Pulse:
        return await asyncio.Event().wait()  # type: ignore[return-value]  # never returns

    async def claim(self, mine: Collection[str], limit: int, *, lost: bool) -> Sequence[Claimed]:
        return []

    async def tend_lines(self) -> Sequence[Interrupted]:
        return []

    async def claim_callbacks(self, limit: int) -> Sequence[Run]:
        return []

    async def leave(self) -> None: ...

    async def reset(self) -> None: ...


class ForgetfulDatabase(SilentDatabase):
    """Knows another replica, is away once, and has forgotten that one for as long as it does not stamp."""

    def __init__(self) -> None:
        self.beats = 0

    async def beat(
        self, mine: Collection[str], delivered: Collection[tuple[str, str]], *, takes_runs: bool = True
    ) -> Pulse:
        self.beats += 1
        if self.beats == 2:
            raise ConnectionError
        return Pulse([], [], {}, has_heirs=self.beats == 1)


async def test_after_an_outage_nobody_counts_as_gone_for_a_while(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.05)
    monkeypatch.setattr(heartbeat, "STALE_S", 1.0)
    database, beat = ForgetfulDatabase(), replica.runs.heartbeat
    fence = ReplicaHeartbeat(database, beat.turns, beat.bell, beat.callbacks, beat.interruptions, beat.neighbours)

    beating = asyncio.create_task(fence.run())
    await eventually(lambda: database.beats == 4)
    had_heirs = fence.has_heirs
    await eventually(lambda: not fence.has_heirs)
    beating.cancel()

    assert had_heirs


async def test_turns_stop_after_two_seconds_without_a_stamp(world: World, replica: Replica) -> None:
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    started = await replica.runs.start(world.request())
    beat = replica.runs.heartbeat
    fence = ReplicaHeartbeat(
        SilentDatabase(), beat.turns, beat.bell, beat.callbacks, beat.interruptions, beat.neighbours
    )

    beating = asyncio.create_task(fence.run())
    await eventually(lambda: world.router.cancelled == 1)
    beating.cancel()

    assert heartbeat.FENCE_S < heartbeat.STALE_S
    run = await replica.wait_for(started.run.id, lambda run: run.is_final)
    assert run.attempt > 1
    assert run.status == "completed"


async def test_a_process_whose_log_writer_breaks_off_is_broken(replica: Replica) -> None:
    replica.runs.watching.event_log.append("run-1", [], lambda: None)  # no batch may be empty

    async with asyncio.timeout(TIMEOUT_S):
        await replica.process.background.broken.wait()
