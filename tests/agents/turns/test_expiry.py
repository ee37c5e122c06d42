"""Approval requests whose time is over."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from perdure.agents.v1 import turn_service_pb2 as pb
from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    ToolCall,
)
from services.agents.agents.tables import agents
from services.common.errors import Conflict, InvalidArgument
from services.common.ids import new_id
from tests.agents.turns.world import CALL, END_TURN, ORGANIZATION, World, answered, approved, returned, texts

OTHER = ToolCall(id="call_2", name="flip", arguments="{}")
EXPIRES_S = 60


@pytest.fixture(autouse=True)
def _clock(world: World) -> Iterator[None]:
    """Each test begins in the present."""
    yield
    world.clock.ahead_s = 0


async def is_pending(world: World, agent_id: str) -> bool:
    async with world.database.begin() as tx:
        return agent_id in await world.history.pending_approvals(tx, ORGANIZATION, [agent_id])


async def test_a_request_waits_until_its_time_is_over(world: World) -> None:
    agent_id = await world.create_agent()
    await world.request_approval(agent_id, expires_s=EXPIRES_S)

    world.clock.ahead_s = EXPIRES_S - 5
    with pytest.raises(Conflict, match="PENDING_APPROVAL"):
        await world.begin(agent_id)

    assert await world.unanswered.expire_due() == 0
    assert (await world.begin(agent_id, approvals=[approved()])).snapshot.pending_calls


async def test_a_message_after_that_works_at_once(world: World) -> None:
    agent_id = await world.create_agent()
    asking, request = await world.request_approval(agent_id, CALL, OTHER, expires_s=EXPIRES_S)
    world.clock.ahead_s = EXPIRES_S

    run_id = new_id("run")
    window = (await world.begin(agent_id, run_id)).snapshot.window
    await world.commit(run_id, assistant=answered("never mind"), end=END_TURN)

    roles = [ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL, ROLE_USER]
    assert [message.role for message in window] == roles
    assert (window[3].run_id, window[3].step_id) == (asking, request.step_id)
    returns = [part.tool_return for part in window[3].parts]
    assert [(each.call_id, each.status) for each in returns] == [
        (CALL.id, TOOL_STATUS_ERROR),
        (OTHER.id, TOOL_STATUS_ERROR),
    ]
    assert "in time" in returns[0].value
    assert [message.role for message in await world.window(agent_id)] == [*roles, ROLE_ASSISTANT]


async def test_the_sweep_denies_what_is_due(world: World) -> None:
    due, waiting = await world.create_agent(), await world.create_agent()
    await world.request_approval(due, expires_s=EXPIRES_S)
    await world.request_approval(waiting)
    world.clock.ahead_s = EXPIRES_S

    assert await world.unanswered.expire_due() == 1
    assert await world.unanswered.expire_due() == 0

    assert "in time" in texts(await world.window(due))[-1]
    assert await is_pending(world, waiting)
    query = select(agents.c.id, agents.c.last_stop_reason).where(agents.c.id.in_([due, waiting]))
    async with world.database.begin() as tx:
        reasons = {row.id: row.last_stop_reason for row in await tx.execute(query)}
    assert reasons == {due: "cancelled", waiting: "requires_approval"}


async def test_sweeps_of_several_replicas_deny_once(world: World) -> None:
    agent_id = await world.create_agent()
    await world.request_approval(agent_id, expires_s=EXPIRES_S)
    world.clock.ahead_s = EXPIRES_S

    counts = await asyncio.gather(*(world.unanswered.expire_due() for _ in range(4)))

    assert sum(counts) == 1
    assert [message.role for message in await world.window(agent_id)].count(ROLE_TOOL) == 1


@pytest.mark.parametrize("swept", [True, False])
async def test_an_answer_that_comes_too_late_is_refused(world: World, *, swept: bool) -> None:
    agent_id = await world.create_agent()
    await world.request_approval(agent_id, expires_s=EXPIRES_S)
    world.clock.ahead_s = EXPIRES_S
    if swept:
        await world.unanswered.expire_due()

    with pytest.raises(InvalidArgument, match=r"No tool call is currently awaiting approval. The request expired"):
        await world.begin(agent_id, approvals=[approved()])

    assert await is_pending(world, agent_id) != swept
    await world.talk(agent_id)
    assert not await is_pending(world, agent_id)


async def test_an_answer_in_time_is_carried_out_afterwards(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id, expires_s=EXPIRES_S)
    await world.begin(agent_id, run_id, approvals=[approved()])
    world.clock.ahead_s = EXPIRES_S

    assert await world.unanswered.expire_due() == 0
    taken = (await world.begin(agent_id, run_id, attempt=2, approvals=[approved()])).snapshot
    await world.commit(run_id, attempt=2, returns=[returned()], tool_message_id=new_id("message"))

    assert [call.id for call in taken.pending_calls] == [CALL.id]


async def test_cancelling_after_the_time_is_over_denies_too(world: World) -> None:
    agent_id = await world.create_agent()
    run_id, _ = await world.request_approval(agent_id, expires_s=EXPIRES_S)
    world.clock.ahead_s = EXPIRES_S

    outcome = await world.end(run_id)

    assert outcome.state == pb.TURN_STATE_COMPLETED
    assert len(outcome.closing_messages) == 1
    assert await world.unanswered.expire_due() == 0
    await world.talk(agent_id)
