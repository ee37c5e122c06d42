"""Turns whose runs are gone."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text

from perdure.agents.v1.turn_service_pb2 import TURN_STATE_FAILED
from services.common.errors import Internal
from services.runs.recovery.orphans import HeldTurn, Orphans
from services.runs.turns.history import TurnEnd
from tests.runs.conftest import Replica, World
from tests.runs.fake_services import says


@dataclass
class Turns:
    """Turns of runs that are gone, as both services tell. The first cannot be ended."""

    held: Sequence[HeldTurn]
    ended: list[str] = field(default_factory=list)

    async def list_active(self, *, min_age_s: int, after: str, limit: int) -> Sequence[HeldTurn]:
        return [turn for turn in self.held if turn.run_id > after]

    async def abandon(self, turn: HeldTurn, end: TurnEnd) -> None:
        if turn == self.held[0]:
            raise Internal("It is broken.")
        self.ended.append(turn.run_id)

    async def find_active_ids(self, run_ids: Collection[str]) -> Collection[str]:
        return ()


async def forget(replica: Replica, run_id: str) -> None:
    """The row of a run is lost, and so is its owner."""
    await replica.die()
    async with replica.engine.begin() as connection:
        await connection.execute(text("DELETE FROM runs.runs WHERE id = :id"), {"id": run_id})


async def test_a_turn_whose_run_is_gone_frees_its_conversation(world: World, replica: Replica) -> None:
    first = await world.replica()
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    lost = await first.runs.start(world.request())
    await first.hear(lost.run.id, 2)
    await forget(first, lost.run.id)

    ended = await replica.process.orphans.end_all(min_age_s=0)

    assert ended == 1
    assert world.agents.turns[lost.run.id].outcome.state == TURN_STATE_FAILED  # type: ignore[union-attr]
    again = await replica.runs.start(world.request("again"))
    assert (await replica.watch(again.run.id))[-1].ended.steps == 1


async def test_turns_of_runs_that_go_on_are_left_alone(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)] * 3
    started = [await replica.runs.start(world.request(conversation_id=f"conv-{number}")) for number in range(3)]

    ended = await replica.process.orphans.end_all(min_age_s=0)

    assert ended == 0
    gate.set()
    assert [(await replica.watch(one.run.id))[-1].ended.steps for one in started] == [1] * 3


async def test_a_turn_that_cannot_be_ended_keeps_no_other() -> None:
    turns = Turns([HeldTurn("org", f"run-{number}", f"conv-{number}") for number in range(3)])

    ended = await Orphans(turns, turns).end_all()

    assert ended == 2
    assert turns.ended == ["run-1", "run-2"]
