"""Conversations over their REST operations, with the real database."""

import asyncio

import pytest
from sqlalchemy import select

from perdure.agents.v1 import conversation_rest_pb2 as rest
from perdure.agents.v1.turn_service_pb2 import TURN_STATE_DELETED
from services.agents.conversations.rest import ConversationOperations
from services.agents.memory.store import PostgresBlocks
from services.agents.memory.tables import blocks
from services.agents.messages.tables import messages
from services.common.caller import Caller
from services.common.errors import Conflict, InvalidArgument, NotFound
from services.common.ids import new_id
from services.common.parameters import check_parameters
from services.contract.blocks import Block
from services.contract.conversations import Conversation, CreateConversation, UpdateConversation
from services.contract.model_settings import OpenAISettings
from tests.agents.conversations.operations import CALLER, create
from tests.agents.turns.world import ORGANIZATION, World, texts


async def get(operations: ConversationOperations, conversation_id: str) -> Conversation:
    return await operations.get_conversation(CALLER, rest.GetConversationQuery(conversation_id=conversation_id), None)


async def list_ids(operations: ConversationOperations, agent_id: str, **query: str | int) -> list[str]:
    request = rest.ListConversationsQuery(agent_id=agent_id, **query)  # type: ignore[arg-type]  # any of its fields
    check_parameters(request, frozenset())
    return [found.id for found in await operations.list_conversations(CALLER, request, None)]


async def test_a_new_conversation_is_empty_until_its_first_message(
    world: World, operations: ConversationOperations
) -> None:
    created = await create(operations, await world.create_agent(), CreateConversation(summary="about x"))

    assert created.id.startswith("conv-")
    assert created == await get(operations, created.id)
    assert (created.summary, created.in_context_message_ids, created.last_message_at) == ("about x", [], None)


async def test_the_first_message_brings_the_conversations_own_system_message(
    world: World, operations: ConversationOperations
) -> None:
    created = await create(operations, await world.create_agent())
    await world.talk(created.id)

    used = await get(operations, created.id)

    window = await world.window(created.id)
    assert texts(window) == [f"prompt of {created.id}", "hello", "hi"]
    assert used.in_context_message_ids == [message.id for message in window]
    assert used.last_message_at is not None


async def test_conversations_do_not_lock_each_other(world: World, operations: ConversationOperations) -> None:
    agent_id = await world.create_agent()
    first, second = await create(operations, agent_id), await create(operations, agent_id)

    await asyncio.gather(*(world.begin(conversation) for conversation in (agent_id, first.id, second.id)))


async def test_a_list_is_newest_first_and_goes_on_after_an_item(
    world: World, operations: ConversationOperations
) -> None:
    agent_id = await world.create_agent()
    first, second, third = [(await create(operations, agent_id)).id for _ in range(3)]
    await world.talk(first)
    await world.talk(agent_id)

    assert await list_ids(operations, agent_id) == [third, second, first]
    assert await list_ids(operations, agent_id, after=third, limit=1) == [second]
    assert await list_ids(operations, agent_id, order="asc") == [first, second, third]
    assert (await list_ids(operations, agent_id, order_by="last_message_at"))[0] == first
    assert (await list_ids(operations, agent_id, order_by="last_run_completion"))[0] == first
    with pytest.raises(NotFound):
        await list_ids(operations, agent_id, after=new_id("conv"))


async def test_a_list_may_be_searched_by_summary(world: World, operations: ConversationOperations) -> None:
    agent_id = await world.create_agent()
    wanted = await create(operations, agent_id, CreateConversation(summary="Plans for 100% of May"))
    await create(operations, agent_id, CreateConversation(summary="Plans for June"))

    assert await list_ids(operations, agent_id, summary_search="100% OF") == [wanted.id]


async def test_an_update_changes_what_was_sent(world: World, operations: ConversationOperations) -> None:
    created = await create(operations, await world.create_agent(), CreateConversation(model="anthropic/large"))
    query = rest.UpdateConversationQuery(conversation_id=created.id)

    updated = await operations.update_conversation(CALLER, query, UpdateConversation(summary="named"))

    assert (updated.summary, updated.model) == ("named", "anthropic/large")
    assert updated.updated_at is not None
    assert created.updated_at is not None
    assert updated.updated_at > created.updated_at


async def test_a_conversation_may_have_its_own_model(world: World, operations: ConversationOperations) -> None:
    agent_id = await world.create_agent()
    settings = OpenAISettings(temperature=0.1)
    with_model = await create(operations, agent_id, CreateConversation(model="anthropic/large"))
    with_settings = await create(operations, agent_id, CreateConversation(model_settings=settings))

    large = (await world.begin(with_model.id)).snapshot.agent
    cool = (await world.begin(with_settings.id)).snapshot.agent

    assert (large.model, large.context_window, large.settings.max_output_tokens) == ("anthropic/large", 64_000, 99)
    assert (cool.model, cool.context_window, cool.settings.temperature) == ("openai/m", 1000, 0.1)
    with pytest.raises(NotFound):
        await create(operations, agent_id, CreateConversation(model="openai/unknown"))


async def test_a_conversation_may_have_its_own_copies_of_blocks(
    world: World, operations: ConversationOperations
) -> None:
    agent_id, block = await world.create_agent(), Block(id=new_id("block"), label="human", value="Ada")
    async with world.database.begin() as tx:
        await PostgresBlocks().insert(tx, ORGANIZATION, CALLER.user_id, [block])
        await PostgresBlocks().attach(tx, ORGANIZATION, agent_id, [block])

    created = await create(operations, agent_id, CreateConversation(isolated_block_labels=["human"]))
    await operations.delete_conversation(CALLER, rest.DeleteConversationQuery(conversation_id=created.id), None)

    [copy_id] = created.isolated_block_ids
    assert copy_id != block.id
    async with world.database.begin() as tx:
        assert list(await tx.scalars(select(blocks.c.id).where(blocks.c.id.in_([copy_id, block.id])))) == [block.id]
    with pytest.raises(InvalidArgument, match="none"):
        await create(operations, agent_id, CreateConversation(isolated_block_labels=["none"]))


async def test_a_deleted_conversation_is_gone_with_its_messages(
    world: World, operations: ConversationOperations
) -> None:
    created = await create(operations, await world.create_agent())
    await world.talk(created.id)
    query = rest.DeleteConversationQuery(conversation_id=created.id)

    await operations.delete_conversation(CALLER, query, None)

    with pytest.raises(NotFound):
        await get(operations, created.id)
    with pytest.raises(NotFound):
        await operations.delete_conversation(CALLER, query, None)
    async with world.database.begin() as tx:
        left = select(messages.c.id).where(messages.c.conversation_id == created.id)
        assert not list(await tx.scalars(left))


async def test_a_busy_conversation_cannot_be_deleted(world: World, operations: ConversationOperations) -> None:
    created, run_id = await create(operations, await world.create_agent()), new_id("run")
    await world.begin(created.id, run_id)
    query = rest.DeleteConversationQuery(conversation_id=created.id)

    with pytest.raises(Conflict) as raised:
        await operations.delete_conversation(CALLER, query, None)
    await world.end(run_id)
    await operations.delete_conversation(CALLER, query, None)

    assert raised.value.metadata == {"run_id": run_id}


async def test_other_organisations_see_nothing(world: World, operations: ConversationOperations) -> None:
    created = await create(operations, await world.create_agent())
    stranger = Caller(organization_id=new_id("org"))

    with pytest.raises(NotFound):
        await operations.get_conversation(stranger, rest.GetConversationQuery(conversation_id=created.id), None)
    with pytest.raises(NotFound):
        await operations.delete_conversation(stranger, rest.DeleteConversationQuery(conversation_id=created.id), None)


async def test_a_conversation_needs_an_agent(operations: ConversationOperations) -> None:
    with pytest.raises(NotFound, match="Agent not found"):
        await create(operations, new_id("agent"))


async def test_deleting_an_agent_ends_its_turns_and_takes_its_history(
    world: World, operations: ConversationOperations
) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    created = await create(operations, agent_id)
    await world.begin(created.id, run_id)

    async with world.database.begin() as tx:
        await world.history.delete_of_agent(tx, ORGANIZATION, agent_id)

    assert (await world.end(run_id)).state == TURN_STATE_DELETED
    with pytest.raises(NotFound):
        await get(operations, created.id)
