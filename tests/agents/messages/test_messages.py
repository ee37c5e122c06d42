"""Lists of messages over their REST operations, with the real database."""

import uuid
from typing import Any

import pytest

from perdure.agents.v1 import conversation_rest_pb2 as rest
from perdure.agents.v1.agent_service_pb2 import ListMessagesRequest
from perdure.conversation.v1.message_pb2 import ROLE_USER
from services.agents.conversations.conversations import Conversations
from services.agents.conversations.store.conversations import PostgresConversations
from services.agents.memory.store import PostgresBlocks
from services.agents.messages.messages import Wanted
from services.agents.messages.rest import MessageOperations
from services.agents.messages.servicer import MessageServicer
from services.agents.messages.store import MAX_PAGE_BYTES, PostgresMessages
from services.common.caller import Caller
from services.common.errors import Conflict, InvalidArgument, NotFound
from services.common.ids import new_id
from services.common.parameters import check_parameters
from services.common.pieces import Piece
from services.contract.agents import AgentState, ResetMessages
from services.contract.conversations import CreateConversation
from tests.agents.conversations.operations import TwoModels
from tests.agents.turns.world import (
    CALL,
    END_TURN,
    ORGANIZATION,
    World,
    answered,
    calling,
    returned,
    said,
)

CALLER = Caller()


class OneAgent:
    """Shows an agent of the old type that a test asks for."""

    async def get(self, caller: Caller, agent_id: str, wanted: frozenset[str]) -> AgentState:
        return AgentState.model_construct(id=agent_id, agent_type="memgpt_agent", system="s", timezone=None)  # type: ignore[call-arg]  # what a reset looks at


@pytest.fixture(name="conversations", scope="module")
def make_conversations(world: World) -> Conversations:
    return Conversations(world.database, PostgresConversations(), PostgresBlocks(), TwoModels())


@pytest.fixture(name="operations", scope="module")
def make_operations(world: World, conversations: Conversations) -> MessageOperations:
    return MessageOperations(world.database, world.messages, conversations, OneAgent())


async def of_agent(operations: MessageOperations, agent_id: str, **query: Any) -> list[Piece]:
    request = rest.ListAgentMessagesQuery(agent_id=agent_id, **query)
    check_parameters(request, frozenset({"agent_id"}))
    return await operations.list_agent_messages(CALLER, request, None)


async def of_conversation(operations: MessageOperations, conversation_id: str, **query: Any) -> list[Piece]:
    request = rest.ListConversationMessagesQuery(conversation_id=conversation_id, **query)
    check_parameters(request, frozenset({"conversation_id"}))
    return await operations.list_conversation_messages(CALLER, request, None)


async def of_all(operations: MessageOperations, **query: Any) -> list[Piece]:
    request = rest.ListMessagesQuery(**query)
    check_parameters(request, frozenset())
    return await operations.list_messages(CALLER, request, None)


async def say(world: World, conversation_id: str, *words: str) -> None:
    """A turn for each word, answered with the same word in capitals."""
    for word in words:
        run_id = new_id("run")
        await world.begin(conversation_id, run_id, input=[said(word)])
        await world.commit(run_id, assistant=answered(word.upper()), end=END_TURN)


def contents(pieces: list[Piece]) -> list[str]:
    return [piece.get("content") or piece["message_type"] for piece in pieces]


async def test_an_agents_messages_are_oldest_first_whatever_the_order(
    world: World, operations: MessageOperations
) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, "a", "b")

    assert contents(await of_agent(operations, agent_id)) == ["You are an agent.", "a", "A", "b", "B"]
    assert contents(await of_agent(operations, agent_id, limit=2)) == ["b", "B"]
    assert contents(await of_agent(operations, agent_id, limit=2, order="asc")) == ["You are an agent.", "a"]


async def test_a_page_of_large_messages_ends_early(world: World, operations: MessageOperations) -> None:
    agent_id = await world.create_agent()
    large = [letter * (MAX_PAGE_BYTES // 8) for letter in "abcdefghij"]
    for text in large:
        run_id = new_id("run")
        await world.begin(agent_id, run_id, input=[said(text)])
        await world.end(run_id)

    first = await of_agent(operations, agent_id, order="asc")
    rest_of_it = await of_agent(operations, agent_id, order="asc", after=first[-1]["id"])
    newest = await of_agent(operations, agent_id)

    assert contents(first) == ["You are an agent.", *large[:8]]
    assert contents(rest_of_it) == large[8:]
    assert contents(newest) == large[2:]
    assert await of_agent(operations, agent_id, order="asc", after=rest_of_it[-1]["id"]) == []


async def test_cursors_of_an_agents_messages_mean_time(world: World, operations: MessageOperations) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, "a", "b")
    ids = [piece["id"] for piece in await of_agent(operations, agent_id)]

    before = await of_agent(operations, agent_id, before=ids[4], limit=2)
    after = await of_agent(operations, agent_id, after=ids[1], order="asc", limit=2)

    assert [piece["id"] for piece in before] == ids[2:4]
    assert [piece["id"] for piece in after] == ids[2:4]
    assert await of_agent(operations, agent_id, after=ids[-1]) == []
    with pytest.raises(NotFound):
        await of_agent(operations, agent_id, after=new_id("message"))


async def test_an_agents_messages_are_those_of_all_its_conversations(
    world: World, operations: MessageOperations, conversations: Conversations
) -> None:
    agent_id = await world.create_agent()
    other = await conversations.create(CALLER, agent_id, CreateConversation())
    await say(world, agent_id, "own")
    await say(world, other.id, "other")

    everywhere = contents(await of_agent(operations, agent_id))
    own = contents(await of_agent(operations, agent_id, conversation_id="default"))
    others = contents(await of_agent(operations, agent_id, conversation_id=other.id))

    assert everywhere == ["You are an agent.", "own", "OWN", f"prompt of {other.id}", "other", "OTHER"]
    assert own == ["You are an agent.", "own", "OWN"]
    assert others == [f"prompt of {other.id}", "other", "OTHER"]
    assert await of_agent(operations, await world.create_agent(), conversation_id=other.id) == []
    with pytest.raises(NotFound, match="Agent not found"):
        await of_agent(operations, new_id("agent"))


async def test_a_conversations_messages_keep_the_order_asked_for(world: World, operations: MessageOperations) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, "a", "b")

    newest = await of_conversation(operations, agent_id, order="desc", limit=2)

    assert contents(await of_conversation(operations, agent_id, limit=2)) == ["You are an agent.", "a"]
    assert contents(newest) == ["B", "b"]
    assert contents(await of_conversation(operations, "default", agent_id=agent_id, limit=1)) == ["You are an agent."]
    assert contents(await of_conversation(operations, agent_id, after=newest[1]["id"])) == ["B"]
    assert await of_conversation(operations, new_id("conv")) == []
    with pytest.raises(InvalidArgument, match="agent_id"):
        await of_conversation(operations, "default")


async def test_pages_go_on_after_the_last_item_until_a_list_is_empty(
    world: World, operations: MessageOperations
) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, *"abcde")
    everything = contents(await of_conversation(operations, agent_id))
    found: list[Piece] = []

    while page := await of_conversation(operations, agent_id, limit=3, after=found[-1]["id"] if found else ""):
        found += page

    assert contents(found) == everything


async def test_the_messages_of_all_agents_are_newest_first_and_page_downwards(
    world: World, operations: MessageOperations
) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, "a", "b")

    first = await of_all(operations, limit=2)
    second = await of_all(operations, limit=2, after=first[-1]["id"])

    assert contents(first + second) == ["B", "b", "A", "a"]
    assert contents(await of_all(operations, limit=3, conversation_id=agent_id)) == ["B", "b", "A"]


async def test_only_the_types_asked_for_are_shown_and_a_page_is_empty_at_the_end_only(
    world: World, operations: MessageOperations
) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    await world.commit(run_id, assistant=calling(CALL), returns=[returned()])
    await world.commit(run_id, 2, assistant=answered("done"), end=END_TURN)
    await say(world, agent_id, *"abc")

    pieces = await of_agent(operations, agent_id, limit=2, include_return_message_types=["tool_call_message"])

    assert contents(pieces) == ["tool_call_message"]
    wanted = ["tool_call_message"]
    assert (
        await of_agent(operations, agent_id, limit=2, after=pieces[0]["id"], include_return_message_types=wanted) == []
    )


async def test_a_message_is_read_in_pieces(world: World, operations: MessageOperations) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, "a")
    answer = (await of_agent(operations, agent_id))[-1]

    assert await operations.get_message(CALLER, rest.GetMessageQuery(message_id=answer["id"]), None) == [answer]
    with pytest.raises(NotFound):
        await operations.get_message(CALLER, rest.GetMessageQuery(message_id=new_id("message")), None)


async def test_a_reset_empties_the_context_but_not_the_list(
    world: World, operations: MessageOperations, conversations: Conversations
) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, "a")
    before = await of_agent(operations, agent_id)
    query = rest.ResetMessagesQuery(agent_id=agent_id)

    answer = await operations.reset_messages(CALLER, query, ResetMessages())

    assert answer is None
    assert await of_agent(operations, agent_id) == before
    assert (await conversations.get(CALLER, agent_id)).in_context_message_ids == [before[0]["id"]]
    older_client = Caller(is_v1_sdk=False)
    filled = await operations.reset_messages(older_client, query, ResetMessages(add_default_initial_messages=True))
    assert isinstance(filled, AgentState)
    assert len((await conversations.get(CALLER, agent_id)).in_context_message_ids) == 4


async def test_a_reset_voids_a_pending_approval(world: World, operations: MessageOperations) -> None:
    agent_id = await world.create_agent()
    await world.request_approval(agent_id)

    await operations.reset_messages(CALLER, rest.ResetMessagesQuery(agent_id=agent_id), ResetMessages())

    await say(world, agent_id, "a")


async def test_a_busy_agent_cannot_be_reset(world: World, operations: MessageOperations) -> None:
    agent_id = await world.create_agent()
    await world.begin(agent_id)

    with pytest.raises(Conflict, match="is currently being processed"):
        await operations.reset_messages(CALLER, rest.ResetMessagesQuery(agent_id=agent_id), ResetMessages())


async def test_words_are_found_whatever_their_case(world: World) -> None:
    agent_id = await world.create_agent()
    await say(world, agent_id, "the Quick fox", "the slow fox")

    async with world.database.begin() as tx:
        wanted = Wanted(words="FOX quick", roles=[ROLE_USER])
        found = await PostgresMessages().search(tx, ORGANIZATION, agent_id, wanted, 10)

    assert [message.parts[0].text for message in found] == ["the Quick fox"]


async def test_very_long_and_strange_texts_are_stored(world: World, operations: MessageOperations) -> None:
    agent_id = await world.create_agent()
    long_text = "\x00 " + " ".join(uuid.uuid4().hex for _ in range(60_000))

    await say(world, agent_id, long_text)

    assert contents(await of_agent(operations, agent_id))[1] == long_text


async def test_typed_callers_list_messages_of_runs_steps_and_conversations(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    servicer = MessageServicer(world.database, world.messages)
    begun = await world.begin(agent_id, run_id)
    await world.commit(run_id, assistant=answered("hi"), end=END_TURN)

    async def count(**owner: str) -> int:
        request = ListMessagesRequest(organization_id=ORGANIZATION, **owner)  # type: ignore[arg-type]  # ids only
        return len((await servicer.ListMessages(request, None)).messages)  # type: ignore[arg-type]  # not looked at

    assert await count(run_id=run_id) == await count(step_id=begun.snapshot.next_step_id) == 2
    assert await count(agent_id=agent_id) == await count(conversation_id=agent_id) == 3
    with pytest.raises(InvalidArgument):
        await count()
