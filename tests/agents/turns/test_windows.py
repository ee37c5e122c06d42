"""Compaction and repair on request, outside turns."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, text

from perdure.agents.v1 import conversation_rest_pb2 as rest
from perdure.conversation.v1.message_pb2 import ROLE_SUMMARY, ROLE_TOOL, Message, ToolCall
from services.agents.agents.tables import agents
from services.common.caller import Caller
from services.common.errors import Conflict, InvalidArgument, NotFound, Unavailable
from services.common.ids import new_id
from services.common.pairing import repair
from services.contract.compaction import CompactAgent, CompactConversation, CompactionAnswer
from tests.agents.turns.world import CALL, END_TURN, World, answered, approved, calling, returned, texts

CALLER = Caller()


@pytest.fixture(autouse=True)
def fresh_router(world: World) -> None:
    world.router.asked.clear()
    world.router.broken.clear()
    world.router.answer = "summary {number}"


async def compact(world: World, conversation_id: str, **settings: Any) -> CompactionAnswer:
    sent = CompactConversation.model_validate({"compaction_settings": settings} if settings else {})
    return await world.windows.compact_conversation(
        CALLER, rest.CompactConversationQuery(conversation_id=conversation_id), sent
    )


async def mended(world: World, agent_id: str) -> list[str]:
    """The problems that a repair of the agent's own history found."""
    answer = await world.windows.repair_agent(CALLER, rest.RepairAgentQuery(agent_id=agent_id), None)
    return [problem for one in answer.repaired for problem in one.problems]


async def use_tool(world: World, agent_id: str) -> tuple[Message, Message]:
    """A turn with a call; the messages of the call and of its return."""
    run_id = new_id("run")
    await world.begin(agent_id, run_id)
    call = ToolCall(id=f"call_{run_id}", name=CALL.name, arguments=CALL.arguments)
    stored = (await world.commit(run_id, assistant=calling(call), returns=[returned(call)])).messages
    await world.commit(run_id, 2, assistant=answered("done"), end=END_TURN)
    return stored[0], stored[1]


async def take_out(world: World, message: Message) -> None:
    """Takes a message out of every window, as an import of half a history would."""
    async with world.database.begin() as tx:
        statement = "UPDATE agents.conversation_messages SET window_rank = NULL WHERE message_id = :id"
        await tx.execute(text(statement), {"id": message.id})


async def listed(world: World, agent_id: str) -> list[str]:
    """The ids of all messages, in order."""
    async with world.database.begin() as tx:
        statement = "SELECT message_id FROM agents.conversation_messages WHERE conversation_id = :id ORDER BY position"
        return list(await tx.scalars(text(statement), {"id": agent_id}))


async def window_ranks(world: World, agent_id: str) -> list[int]:
    """The places in the context window of its messages, in the order in which they came."""
    async with world.database.begin() as tx:
        statement = """
            SELECT window_rank FROM agents.conversation_messages
            WHERE conversation_id = :id AND window_rank IS NOT NULL ORDER BY position
        """
        return list(await tx.scalars(text(statement), {"id": agent_id}))


async def last_stop_reason(world: World, agent_id: str) -> str | None:
    async with world.database.begin() as tx:
        reason: str | None = await tx.scalar(select(agents.c.last_stop_reason).where(agents.c.id == agent_id))
    return reason


async def test_an_idle_conversation_is_compacted(world: World) -> None:
    agent_id = await world.create_agent()
    await world.talk(agent_id, 4)

    answer = await world.windows.summarize_agent_messages(
        CALLER, rest.SummarizeAgentMessagesQuery(agent_id=agent_id), CompactAgent()
    )

    window = await world.window(agent_id)
    assert answer == CompactionAnswer(summary="summary 1", num_messages_before=9, num_messages_after=7)
    assert len(window) == 7
    assert (window[1].role, texts(window)[1]) == (ROLE_SUMMARY, "summary 1")
    await world.talk(agent_id)
    assert texts(await world.window(agent_id))[-1] == "hi"


async def test_everything_can_be_replaced_by_its_summary(world: World) -> None:
    agent_id = await world.create_agent()
    await world.talk(agent_id, 3)

    answer = await compact(world, agent_id, mode="all", model="openai/m")
    again = await compact(world, agent_id, mode="all", model="openai/m")

    assert (answer.num_messages_before, answer.num_messages_after) == (7, 2)
    assert again == CompactionAnswer(summary=answer.summary, num_messages_before=2, num_messages_after=2)
    assert texts(await world.window(agent_id)) == ["You are an agent.", answer.summary]


async def test_a_conversation_without_messages_cannot_be_compacted(world: World) -> None:
    with pytest.raises(InvalidArgument, match="no messages"):
        await compact(world, await world.create_agent())
    with pytest.raises(NotFound):
        await compact(world, new_id("conv"))


async def test_a_busy_conversation_is_not_compacted(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.talk(agent_id)
    await world.begin(agent_id, run_id)

    with pytest.raises(Conflict, match=run_id):
        await compact(world, agent_id)


async def test_a_turn_that_begins_while_the_summary_is_written_wins(world: World) -> None:
    agent_id = await world.create_agent()
    await world.talk(agent_id, 2)

    async with world.router.pause:
        world.router.meets.clear()
        compacting = asyncio.create_task(compact(world, agent_id))
        await world.router.meets.wait()
        await world.talk(agent_id)

    with pytest.raises(Conflict, match="went on"):
        await compacting
    assert len(await world.window(agent_id)) == 7


async def test_nothing_changes_when_no_model_writes(world: World) -> None:
    agent_id = await world.create_agent()
    await world.talk(agent_id, 2)
    before = await world.window(agent_id)
    world.router.broken.add("openai/m")

    with pytest.raises(Unavailable, match="nothing was changed"):
        await compact(world, agent_id)

    assert await world.window(agent_id) == before


async def test_a_request_that_waits_for_approval_stays_in_the_window(world: World) -> None:
    agent_id = await world.create_agent()
    await world.talk(agent_id, 3)
    _, request = await world.request_approval(agent_id)

    await compact(world, agent_id, mode="all", model="openai/m")

    window = await world.window(agent_id)
    assert [message.id for message in window[2:]] == [request.id]
    begun = (await world.begin(agent_id, approvals=[approved()])).snapshot
    assert [call.id for call in begun.pending_calls] == [CALL.id]


async def test_a_missing_return_is_added_right_after_its_call(world: World) -> None:
    agent_id = await world.create_agent()
    called, gone = await use_tool(world, agent_id)
    await take_out(world, gone)
    async with world.database.begin() as tx:
        await tx.execute(text("DELETE FROM agents.conversation_messages WHERE message_id = :id"), {"id": gone.id})

    problems = await mended(world, agent_id)

    window, ids = await world.window(agent_id), await listed(world, agent_id)
    assert called.id in problems[0]
    assert not repair(window).problems
    assert [message.role == ROLE_TOOL for message in window] == [False, False, False, True, False]
    assert ids == [message.id for message in window]
    assert await mended(world, agent_id) == []
    await world.talk(agent_id)
    assert (await listed(world, agent_id))[:5] == ids


async def test_a_return_without_its_call_leaves_the_window(world: World) -> None:
    agent_id = await world.create_agent()
    gone, orphan = await use_tool(world, agent_id)
    await take_out(world, gone)

    problems = await mended(world, agent_id)

    assert problems == [f"{orphan.id} has returns that are not behind their calls"]
    assert texts(await world.window(agent_id)) == ["You are an agent.", "hello", "done"]
    assert orphan.id in await listed(world, agent_id)


async def test_what_is_said_after_a_repair_comes_last(world: World) -> None:
    agent_id = await world.create_agent()
    called, gave = await use_tool(world, agent_id)
    emptied = Message(id=gave.id, role=ROLE_TOOL).SerializeToString()
    async with world.database.begin() as tx:
        statement = "UPDATE agents.messages SET body = :body WHERE id = :id"
        await tx.execute(text(statement), {"id": gave.id, "body": emptied})

    problems = await mended(world, agent_id)
    await world.talk(agent_id)

    assert called.id in problems[0]
    ranks = await window_ranks(world, agent_id)
    assert ranks == sorted(set(ranks))


async def test_a_repair_leaves_what_waits_for_approval_and_what_is_busy(world: World) -> None:
    waiting, busy, run_id = await world.create_agent(), await world.create_agent(), new_id("run")
    _, request = await world.request_approval(waiting)
    await world.begin(busy, run_id)

    assert await mended(world, waiting) == []
    answer = await world.windows.repair_agent(CALLER, rest.RepairAgentQuery(agent_id=busy), None)

    assert answer.busy == [busy]
    begun = (await world.begin(waiting, approvals=[approved()])).snapshot
    assert [call.id for call in begun.pending_calls] == [CALL.id]
    assert begun.pending_step_id == request.step_id


async def test_a_request_that_is_no_longer_the_latest_step_waits_no_more(world: World) -> None:
    agent_id = await world.create_agent()
    _, request = await world.request_approval(agent_id)
    await take_out(world, request)

    problems = await mended(world, agent_id)

    assert request.id in problems[0]
    assert await last_stop_reason(world, agent_id) == "cancelled"
    await world.talk(agent_id)
    with pytest.raises(NotFound):
        await mended(world, new_id("agent"))
