"""Turns that are ended and taken out of the context window."""

import pytest
from sqlalchemy import select

from perdure.conversation.v1.message_pb2 import ROLE_APPROVAL, ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_TOOL, ROLE_USER
from services.agents.conversations.tables import conversation_messages
from services.common.ids import new_id
from tests.agents.turns.world import CALL, World, answered, approved, calling, returned, said, texts


async def is_listed(world: World, message_id: str, conversation_id: str) -> bool:
    """Whether a conversation has a message, in its window or not."""
    places = conversation_messages
    query = select(places.c.position).where(
        places.c.conversation_id == conversation_id, places.c.message_id == message_id
    )
    async with world.database.begin() as tx:
        return await tx.scalar(query) is not None


async def test_a_retracted_turn_leaves_the_window_and_stays_listed(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.talk(agent_id)
    before = await world.window(agent_id)
    snapshot = (await world.begin(agent_id, run_id, input=[said("never mind")])).snapshot
    await world.commit(run_id, assistant=calling(CALL), returns=[returned()])

    await world.end(run_id, out_of_context=True)

    assert [m.id for m in await world.window(agent_id)] == [m.id for m in before]
    assert await is_listed(world, snapshot.input[0].id, agent_id)


async def test_the_first_turn_of_a_conversation_leaves_its_system_message(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)

    await world.end(run_id, out_of_context=True)
    snapshot = (await world.begin(agent_id, input=[said("again")])).snapshot

    assert texts(snapshot.window) == ["You are an agent.", "again"]


async def test_a_retracted_answer_leaves_the_request_with_its_returns(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id, CALL)
    await world.begin(agent_id, run_id, input=[], approvals=[approved()])
    await world.commit(run_id, returns=[returned()])
    await world.commit(run_id, 2, assistant=answered("done"))

    await world.end(run_id, out_of_context=True)

    roles = [m.role for m in await world.window(agent_id) if m.role != ROLE_APPROVAL]
    assert roles == [ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL]


async def test_a_retracted_request_leaves_with_its_denial(world: World) -> None:
    agent_id = await world.create_agent()
    run_id, _ = await world.request_approval(agent_id, CALL)

    outcome = await world.end(run_id, out_of_context=True)

    assert outcome.closing_messages
    assert [m.role for m in await world.window(agent_id)] == [ROLE_SYSTEM]


@pytest.mark.parametrize("out_of_context", [True, False])
async def test_a_turn_that_had_ended_stays_as_it_is(world: World, *, out_of_context: bool) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    await world.end(run_id)
    before = await world.window(agent_id)

    await world.end(run_id, out_of_context=out_of_context)

    assert [m.id for m in await world.window(agent_id)] == [m.id for m in before]
