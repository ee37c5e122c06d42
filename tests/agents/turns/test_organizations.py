"""Turns of another organisation are not there: nothing can be begun, stored, compacted or ended in them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from perdure.agents.v1 import turn_service_pb2 as pb
from perdure.conversation.v1.message_pb2 import STOP_REASON_CANCELLED
from services.agents.schema import metadata
from services.common.errors import NotFound
from services.common.ids import new_id
from services.common.status import rpc_errors
from tests.agents.turns.world import END_TURN, World, answered, said

CANCELLED = pb.TurnEnd(state=pb.TURN_STATE_CANCELLED, stop_reason=STOP_REASON_CANCELLED)
CALLS: dict[str, Callable[[World, dict[str, Any]], Any]] = {
    "begin": lambda world, turn: world.stub.BeginTurn(
        pb.BeginTurnRequest(**turn | {"run_id": new_id("run")}, attempt=1, input=[said("ours")])
    ),
    "take over": lambda world, turn: world.stub.BeginTurn(pb.BeginTurnRequest(**turn, attempt=2)),
    "commit": lambda world, turn: world.stub.CommitStep(
        pb.CommitStepRequest(**_of_run(turn), attempt=1, step=1, assistant=answered("ours"), end=END_TURN)
    ),
    "compact": lambda world, turn: world.stub.CompactTurn(
        pb.CompactTurnRequest(**_of_run(turn), attempt=1, window_version=1)
    ),
    "cancel": lambda world, turn: world.stub.EndTurn(pb.EndTurnRequest(**turn, end=CANCELLED)),
}


def _of_run(turn: dict[str, Any]) -> dict[str, Any]:
    return {name: turn[name] for name in ("organization_id", "run_id")}


async def stored(world: World) -> dict[str, list[Any]]:
    async with world.database.begin() as tx:
        return {
            table.name: sorted((await tx.execute(select(table))).all(), key=repr) for table in metadata.sorted_tables
        }


@pytest.mark.parametrize("call", CALLS)
async def test_another_organisation_cannot_touch_a_turn(world: World, call: str) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    turn = {"organization_id": new_id("org"), "run_id": run_id, "conversation_id": agent_id}
    before = await stored(world)

    with pytest.raises(NotFound), rpc_errors():
        await CALLS[call](world, turn)

    assert await stored(world) == before
    await world.commit(run_id, assistant=answered("done"), end=END_TURN)
    assert [message.parts[0].text for message in await world.window(agent_id)][-1] == "done"


async def test_another_organisation_cannot_deny_a_request(world: World) -> None:
    agent_id = await world.create_agent()
    run_id, request = await world.request_approval(agent_id)
    turn = {"organization_id": new_id("org"), "run_id": run_id, "conversation_id": agent_id}

    with pytest.raises(NotFound), rpc_errors():
        await CALLS["cancel"](world, turn)

    async with world.database.begin() as tx:
        pending = await world.history.pending_approvals(tx, turn["organization_id"], [agent_id])
    assert pending == {}
    assert (await world.window(agent_id))[-1].id == request.id
