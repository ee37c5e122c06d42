"""Forks of conversations, with the real database."""

import pytest

from perdure.agents.v1 import conversation_rest_pb2 as rest
from services.agents.conversations.rest import ConversationOperations
from services.agents.memory.store import PostgresBlocks
from services.common.errors import Conflict, InvalidArgument, NotFound
from services.common.ids import new_id
from services.contract.blocks import Block
from services.contract.compaction import CompactConversation
from services.contract.conversations import Conversation, CreateConversation
from tests.agents.conversations.operations import CALLER, create
from tests.agents.turns.world import END_TURN, ORGANIZATION, World, answered, texts


async def fork_of(operations: ConversationOperations, conversation_id: str) -> Conversation:
    query = rest.ForkConversationQuery(conversation_id=conversation_id)
    return await operations.fork_conversation(CALLER, query, None)


async def create_isolated(operations: ConversationOperations, world: World) -> Conversation:
    """A conversation with a copy of its own of the agent's only block."""
    agent_id = await world.create_agent()
    block = Block(label="human", value="Ada", limit=100, id=new_id("block"))
    async with world.database.begin() as tx:
        await PostgresBlocks().insert(tx, ORGANIZATION, CALLER.user_id, [block])
        await PostgresBlocks().attach(tx, ORGANIZATION, agent_id, [block])
    return await create(operations, agent_id, CreateConversation(isolated_block_labels=["human"]))


async def test_a_fork_goes_on_with_the_same_messages_and_a_system_message_of_its_own(
    operations: ConversationOperations, world: World
) -> None:
    source = await create(operations, await world.create_agent())
    await world.talk(source.id, 2)

    fork = await fork_of(operations, source.id)

    before, after = await world.window(source.id), await world.window(fork.id)
    assert (fork.agent_id, fork.summary, fork.last_message_at) == (source.agent_id, None, None)
    assert [message.id for message in after[1:]] == [message.id for message in before[1:]]
    assert after[0].id != before[0].id
    assert f"CONVERSATION_ID: {fork.id}" in after[0].parts[0].text
    await world.talk(fork.id)
    assert len(await world.window(fork.id)) == len(before) + 2
    assert await world.window(source.id) == before


async def test_a_fork_outlives_what_it_was_forked_from(operations: ConversationOperations, world: World) -> None:
    source = await create(operations, await world.create_agent())
    await world.talk(source.id)
    fork = await fork_of(operations, source.id)

    await operations.delete_conversation(CALLER, rest.DeleteConversationQuery(conversation_id=source.id), None)

    assert texts(await world.window(fork.id))[1:] == ["hello", "hi"]


async def test_an_agents_own_history_can_be_forked_under_three_names(
    operations: ConversationOperations, world: World
) -> None:
    agent_id = await world.create_agent()
    await world.talk(agent_id)

    by_word = rest.ForkConversationQuery(conversation_id="default", agent_id=agent_id)
    by_agent = rest.ForkConversationQuery(conversation_id=agent_id)

    for query in (by_word, by_agent):
        fork = await operations.fork_conversation(CALLER, query, None)
        assert texts(await world.window(fork.id))[1:] == ["hello", "hi"]
    with pytest.raises(InvalidArgument):
        await fork_of(operations, "default")


async def test_a_fork_leaves_out_what_waits_for_approval(operations: ConversationOperations, world: World) -> None:
    source = await create(operations, await world.create_agent())
    await world.request_approval(source.id)

    fork = await fork_of(operations, source.id)

    assert texts(await world.window(fork.id))[1:] == ["hello"]
    await world.talk(fork.id)
    with pytest.raises(Conflict):
        await world.begin(source.id)


async def test_a_fork_of_a_busy_conversation_has_what_is_committed(
    operations: ConversationOperations, world: World
) -> None:
    source, run_id = await create(operations, await world.create_agent()), new_id("run")
    await world.begin(source.id, run_id)

    fork = await fork_of(operations, source.id)
    await world.commit(run_id, assistant=answered("hi"), end=END_TURN)

    assert texts(await world.window(fork.id))[1:] == ["hello"]
    assert texts(await world.window(source.id))[1:] == ["hello", "hi"]


async def test_a_fork_of_a_new_conversation_is_new_too(operations: ConversationOperations, world: World) -> None:
    source = await create(operations, await world.create_agent())

    fork = await fork_of(operations, source.id)
    await world.talk(fork.id)

    assert texts(await world.window(fork.id))[1:] == ["hello", "hi"]


async def test_a_fork_gets_copies_of_isolated_blocks(operations: ConversationOperations, world: World) -> None:
    source = await create_isolated(operations, world)

    fork = await fork_of(operations, source.id)

    assert len(fork.isolated_block_ids) == 1
    assert fork.isolated_block_ids != source.isolated_block_ids


async def test_a_fork_does_without_isolated_blocks_that_were_deleted(
    operations: ConversationOperations, world: World
) -> None:
    source = await create_isolated(operations, world)
    async with world.database.begin() as tx:
        await PostgresBlocks().delete(tx, ORGANIZATION, source.isolated_block_ids[0])

    fork = await fork_of(operations, source.id)

    assert fork.isolated_block_ids == []


async def test_what_does_not_exist_cannot_be_forked_or_recompiled(operations: ConversationOperations) -> None:
    missing = new_id("conv")
    query = rest.RecompileConversationQuery(conversation_id=missing)

    with pytest.raises(NotFound):
        await fork_of(operations, missing)
    with pytest.raises(NotFound):
        await operations.recompile_conversation(CALLER, query, CompactConversation())
