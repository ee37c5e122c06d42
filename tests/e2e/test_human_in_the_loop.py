"""Approvals and the client's own tools, in every way of sending."""

import asyncio
from typing import Any

import pytest
from letta_client import APIStatusError, AsyncLetta, BadRequestError, ConflictError
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.human_in_the_loop import (
    ASK,
    ASK_ALL,
    ASK_CLIENT,
    CAREFUL,
    CLIENT_TOOL,
    FREE,
    LOCATE,
    answers,
    approve,
    deny,
    make_tools,
    pending,
    result,
)
from tests.e2e.vendors import Vendors
from tests.e2e.waiting import eventually
from tests.e2e.ways import WAYS, Way, messages_of, send

every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
async def guarded(client: AsyncLetta, make_agent: MakeAgent) -> AgentState:
    """An agent with a tool that wants approval, and one that does not."""
    return await make_agent(tool_ids=await make_tools(client))


@every_way
async def test_an_approved_call_is_made(client: AsyncLetta, guarded: AgentState, way: Way) -> None:
    asked = await send(client, guarded.id, ASK, way)
    [(call_id, call)] = asked.waiting.items()
    while_pending: Any = await client.agents.retrieve(guarded.id, include=["agent.pending_approval"])
    answer = await send(client, guarded.id, answers(approve(call_id)), way)

    assert asked.stop_reason == "requires_approval"
    assert asked.kinds == ["approval_request_message"]
    assert (call[0], call[1].replace(" ", "")) == (CAREFUL, '{"num_sides":16}')
    assert while_pending.last_stop_reason == "requires_approval"
    assert while_pending.pending_approval.id == asked.messages[0].id
    assert [one.tool_call_id for one in while_pending.pending_approval.tool_calls] == [call_id]
    assert [kind for kind in answer.kinds if kind != "approval_response_message"] == [
        "tool_return_message",
        "assistant_message",
    ]
    assert answer.returns == [(call_id, "success", "8")]
    assert (answer.text, answer.stop_reason) == ("The roll was 8", "end_turn")
    assert await pending(client, guarded.id) is None
    assert [one.message_type for one in await messages_of(client, guarded.id)][1:] == [
        "user_message",
        "approval_request_message",
        "approval_response_message",
        "tool_return_message",
        "assistant_message",
    ]


@every_way
async def test_a_denial_is_told_to_the_model(
    client: AsyncLetta, guarded: AgentState, vendors: Vendors, word: str, way: Way
) -> None:
    asked = await send(client, guarded.id, f"{word} {ASK}", way)
    [call_id] = asked.waiting

    answer = await send(client, guarded.id, answers(deny(call_id, f"Not on {word}.")), way)

    assert answer.returns == [
        (call_id, "error", f"Error: request to call tool denied. User reason: Not on {word}."),
    ]
    assert answer.stop_reason == "end_turn"
    assert f"Not on {word}." in str((await vendors.last(word))["body"]["messages"][-1])


@every_way
async def test_one_answer_may_mix_everything(client: AsyncLetta, guarded: AgentState, way: Way) -> None:
    asked = await send(client, guarded.id, f"{ASK_ALL}", way, client_tools=[CLIENT_TOOL])
    allowed, refused, located = asked.waiting
    given = answers(result(located, "At home."), deny(refused, "no"), approve(allowed))
    answer = await send(client, guarded.id, given, way)

    assert asked.kinds == ["tool_call_message", "approval_request_message"]
    assert [name for name, _ in asked.waiting.values()] == [CAREFUL, CAREFUL, LOCATE]
    assert [(status, value) for _, status, value in answer.returns] == [
        ("success", "2"),
        ("success", "3"),
        ("error", "Error: request to call tool denied. User reason: no"),
        ("success", "At home."),
    ]
    assert [call_id for call_id, *_ in answer.returns][1:] == [allowed, refused, located]
    assert answer.kinds.count("tool_return_message") == 1
    assert answer.stop_reason == "end_turn"


@every_way
async def test_an_answer_given_again_gets_the_first_result(client: AsyncLetta, guarded: AgentState, way: Way) -> None:
    [call_id] = (await send(client, guarded.id, ASK, way)).waiting
    first = await send(client, guarded.id, answers(approve(call_id)), way)
    again = await send(client, guarded.id, answers(approve(call_id)), way)

    assert again.run_id == first.run_id
    assert (again.returns, again.text) == (first.returns, first.text)
    kinds = [one.message_type for one in await messages_of(client, guarded.id)]
    assert kinds.count("tool_return_message") == kinds.count("approval_response_message") == 1


@every_way
async def test_a_message_beside_an_answer_given_again_is_not_lost(
    client: AsyncLetta, guarded: AgentState, way: Way
) -> None:
    [call_id] = (await send(client, guarded.id, ASK, way)).waiting
    first = await send(client, guarded.id, answers(approve(call_id)), way)

    both = [*answers(approve(call_id)), {"role": "user", "content": "Hello"}]
    answer = await send(client, guarded.id, both, way)

    assert answer.run_id != first.run_id
    assert answer.text == "You said: Hello"
    said = [one.content for one in await messages_of(client, guarded.id) if one.message_type == "user_message"]
    assert said == [ASK, "Hello"]


@every_way
async def test_another_answer_than_the_first_is_a_conflict(client: AsyncLetta, guarded: AgentState, way: Way) -> None:
    [call_id] = (await send(client, guarded.id, ASK, way)).waiting
    await send(client, guarded.id, answers(approve(call_id)), way)

    with pytest.raises(ConflictError, match="it was approved"):
        await send(client, guarded.id, answers(deny(call_id, "too late")), way)

    assert (await send(client, guarded.id, "Hello", way)).text == "You said: Hello"


@every_way
async def test_what_does_not_fit_is_refused_and_the_request_stays(
    client: AsyncLetta, guarded: AgentState, way: Way
) -> None:
    asked = await send(client, guarded.id, ASK_ALL, way, client_tools=[CLIENT_TOOL])
    calls = list(asked.waiting)

    with pytest.raises(ConflictError, match="waiting for approval on a tool call"):
        await send(client, guarded.id, "Hello", way)
    for wrong in (["call_wrong"], calls[:1], [*calls, "call_more"], [*calls, calls[0]]):
        with pytest.raises(BadRequestError, match="Invalid tool call IDs"):
            await send(client, guarded.id, answers(*map(approve, wrong)), way)

    given = answers(deny(calls[0], "no"), deny(calls[1], "no"), result(calls[2], "here"))
    assert (await send(client, guarded.id, given, way)).stop_reason == "end_turn"


@every_way
async def test_an_answer_and_a_message_may_come_together(client: AsyncLetta, guarded: AgentState, way: Way) -> None:
    [call_id] = (await send(client, guarded.id, ASK, way)).waiting
    message = {"role": "user", "content": "say 'and now this'"}

    answer = await send(client, guarded.id, [*answers(approve(call_id)), message], way)

    assert answer.returns == [(call_id, "success", "8")]
    assert answer.text == "and now this"
    stored = [one.message_type for one in await messages_of(client, guarded.id)]
    assert (stored[-1], stored.count("user_message"), stored.count("tool_return_message")) == (
        "assistant_message",
        2,
        1,
    )


@every_way
async def test_a_failed_client_tool_stays_a_failure(client: AsyncLetta, guarded: AgentState, way: Way) -> None:
    [call_id] = (await send(client, guarded.id, ASK_CLIENT, way, client_tools=[CLIENT_TOOL])).waiting

    answer = await send(client, guarded.id, answers(result(call_id, "No signal.", "error")), way)

    assert answer.returns == [(call_id, "error", "No signal.")]
    assert answer.stop_reason == "end_turn"


async def test_the_older_message_brings_results_too(client: AsyncLetta, guarded: AgentState) -> None:
    [call_id] = (await send(client, guarded.id, ASK_CLIENT, client_tools=[CLIENT_TOOL])).waiting
    given = [{"type": "tool_return", "tool_returns": [result(call_id, "At home.")]}]

    answer = await send(client, guarded.id, given)

    assert answer.returns == [(call_id, "success", "At home.")]


async def test_a_client_tool_may_return_an_image(
    client: AsyncLetta, guarded: AgentState, vendors: Vendors, word: str
) -> None:
    asked = await send(client, guarded.id, f"{word} {ASK_CLIENT}", client_tools=[CLIENT_TOOL])
    [call_id] = asked.waiting
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}}

    answer = await send(client, guarded.id, answers(result(call_id, [{"type": "text", "text": "A map."}, image])))

    assert answer.stop_reason == "end_turn"
    assert "A map." in str(answer.returns)
    assert "aGVsbG8=" in str((await vendors.last(word))["body"]["messages"])


async def test_a_client_tool_beats_the_server_s_for_its_request_only(client: AsyncLetta, guarded: AgentState) -> None:
    own = {**CLIENT_TOOL, "name": FREE}
    text = f'call tool {FREE} with {{"num_sides": 4}}'

    asked = await send(client, guarded.id, text, client_tools=[own])
    [call_id] = asked.waiting
    answer = await send(client, guarded.id, answers(result(call_id, "mine")))
    later = await send(client, guarded.id, text)

    assert answer.returns == [(call_id, "success", "mine")]
    assert [value for *_, value in later.returns] == ["2"]


async def test_an_approved_client_call_without_a_result_fails_alone(client: AsyncLetta, guarded: AgentState) -> None:
    [call_id] = (await send(client, guarded.id, ASK_CLIENT, client_tools=[CLIENT_TOOL])).waiting

    answer = await send(client, guarded.id, answers(approve(call_id)), client_tools=[CLIENT_TOOL])

    assert [(status, "gave no result" in value) for _, status, value in answer.returns] == [("error", True)]
    assert answer.stop_reason == "end_turn"


async def test_of_two_answers_at_once_one_counts(client: AsyncLetta, guarded: AgentState) -> None:
    [call_id] = (await send(client, guarded.id, ASK)).waiting

    async def answer() -> Any:
        try:
            return await client.with_options(max_retries=0).agents.messages.create(
                guarded.id, messages=answers(approve(call_id))
            )
        except APIStatusError as error:
            return error.status_code

    found = await asyncio.gather(*(answer() for _ in range(4)))

    completed = [one for one in found if not isinstance(one, int)]
    assert completed
    assert {one for one in found if isinstance(one, int)} <= {409}
    assert len({one.messages[0].run_id for one in completed}) == 1
    kinds = [one.message_type for one in await messages_of(client, guarded.id)]
    assert kinds.count("tool_return_message") == kinds.count("approval_response_message") == 1


async def test_the_older_form_names_the_request(client: AsyncLetta, guarded: AgentState) -> None:
    asked = await send(client, guarded.id, ASK)
    given: list[Any] = [{"type": "approval", "approve": True, "approval_request_id": asked.messages[0].id}]

    answer = await send(client, guarded.id, given)

    assert [value for *_, value in answer.returns] == ["8"]


async def test_the_route_takes_effect_with_the_next_message(client: AsyncLetta, guarded: AgentState) -> None:
    await client.agents.tools.update_approval(CAREFUL, agent_id=guarded.id, body_requires_approval=False)
    spared = await send(client, guarded.id, ASK)
    await client.agents.tools.update_approval(FREE, agent_id=guarded.id, body_requires_approval=True)
    asked = await send(client, guarded.id, f'call tool {FREE} with {{"num_sides": 4}}')

    assert spared.stop_reason == "end_turn"
    assert asked.stop_reason == "requires_approval"


@every_way
async def test_a_request_that_nobody_answers_in_time_is_denied(
    client: AsyncLetta, guarded: AgentState, way: Way
) -> None:
    [call_id] = (await send(client, guarded.id, ASK, way, extra_body={"approval_expires_s": 1})).waiting

    async def has_expired() -> bool:
        return any(one.message_type == "tool_return_message" for one in await messages_of(client, guarded.id))

    await eventually(has_expired)

    assert await pending(client, guarded.id) is None
    with pytest.raises(BadRequestError, match="The request expired"):
        await send(client, guarded.id, answers(approve(call_id)), way)
    assert (await send(client, guarded.id, "Hello", way)).text == "You said: Hello"
