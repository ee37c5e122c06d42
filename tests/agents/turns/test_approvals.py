"""Approval requests: waiting, answering, answering again, cancelling."""

import pytest
from sqlalchemy import update

from perdure.agents.v1 import turn_service_pb2 as pb
from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    TOOL_STATUS_SUCCESS,
    ApprovalAnswer,
    Message,
    ToolCall,
    ToolReturn,
)
from services.agents.conversations.tables import conversation_messages
from services.common.errors import Conflict, InvalidArgument
from services.common.ids import new_id
from tests.agents.turns.world import (
    CALL,
    END_TURN,
    ORGANIZATION,
    REQUIRES_APPROVAL,
    World,
    answered,
    approved,
    calling,
    returned,
    said,
    texts,
)

OTHER = ToolCall(id="call_2", name="flip", arguments="{}")
THIRD = ToolCall(id="call_3", name="clock", arguments="{}")


async def answer(world: World, agent_id: str, run_id: str, *, end: pb.TurnEnd = END_TURN) -> None:
    """Approves the pending call, gives its return and ends the turn."""
    await world.begin(agent_id, run_id, approvals=[approved()])
    await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))
    await world.commit(run_id, 2, assistant=answered("a six"), end=end)


async def test_a_message_meets_a_pending_request(world: World) -> None:
    agent_id = await world.create_agent()
    _, request = await world.request_approval(agent_id)

    with pytest.raises(Conflict, match="PENDING_APPROVAL") as raised:
        await world.begin(agent_id)

    assert isinstance(raised.value.detail, dict)
    assert raised.value.detail["pending_request_id"] == request.id
    assert raised.value.metadata == {"pending_request_id": request.id}
    assert raised.value.should_retry is False


async def test_the_pending_request_of_an_agent_is_found(world: World) -> None:
    agent_id = await world.create_agent()
    _, request = await world.request_approval(agent_id)

    async with world.database.begin() as tx:
        pending = await world.history.pending_approvals(tx, ORGANIZATION, [agent_id])

    assert pending[agent_id].id == request.id
    assert pending[agent_id].tool_call.tool_call_id == CALL.id


async def test_an_approved_call_is_left_to_execute_and_its_return_belongs_to_the_old_step(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    _, request = await world.request_approval(agent_id)

    begun = (await world.begin(agent_id, run_id, approvals=[approved()])).snapshot
    again = (await world.begin(agent_id, run_id, approvals=[approved()])).snapshot
    committed = await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))
    ended = await world.commit(run_id, 2, assistant=answered("a six"), end=END_TURN)

    begun.opened = False  # the second call began nothing
    assert begun == again
    assert [call.id for call in begun.pending_calls] == [CALL.id]
    assert begun.pending_step_id == request.step_id
    assert begun.window[-1].role == ROLE_APPROVAL
    assert begun.window[-1].step_id == ""
    [returns] = committed.messages
    assert (returns.step_id, returns.run_id) == (request.step_id, run_id)
    assert committed.next_step == 2
    assert ended.messages[0].step_id == begun.next_step_id == committed.next_step_id
    assert ended.outcome.steps == 1
    assert [message.role for message in await world.window(agent_id)] == [
        ROLE_SYSTEM,
        ROLE_USER,
        ROLE_ASSISTANT,
        ROLE_APPROVAL,
        ROLE_TOOL,
        ROLE_ASSISTANT,
    ]


async def test_a_request_outside_the_window_is_carried_out_all_the_same(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    _, request = await world.request_approval(agent_id)
    outside = (
        update(conversation_messages).where(conversation_messages.c.message_id == request.id).values(window_rank=None)
    )
    async with world.database.begin() as tx:
        await tx.execute(outside)

    begun = (await world.begin(agent_id, run_id, approvals=[approved()])).snapshot
    await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))
    await world.commit(run_id, 2, assistant=answered("a six"), end=END_TURN)

    assert [call.id for call in begun.pending_calls] == [CALL.id]
    await world.talk(agent_id)


async def test_answers_of_all_kinds_may_be_mixed(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id, CALL, OTHER, THIRD)
    result = ToolReturn(value="noon", status=TOOL_STATUS_SUCCESS)
    answers = [
        ApprovalAnswer(call_id=THIRD.id, result=result),
        ApprovalAnswer(call_id=OTHER.id, approve=False, reason="too late"),
        approved(),
    ]

    snapshot = (await world.begin(agent_id, run_id, approvals=answers)).snapshot
    returns = [*snapshot.known_returns, returned()]
    committed = await world.commit(run_id, returns=returns, tool_message_id=new_id("message"))

    assert [call.id for call in snapshot.pending_calls] == [CALL.id]
    values = [(part.tool_return.call_id, part.tool_return.value) for part in committed.messages[0].parts]
    assert values == [
        (CALL.id, "6"),
        (OTHER.id, "Error: request to call tool denied. User reason: too late"),
        (THIRD.id, "noon"),
    ]
    statuses = [part.tool_return.status for part in committed.messages[0].parts]
    assert statuses == [TOOL_STATUS_SUCCESS, TOOL_STATUS_ERROR, TOOL_STATUS_SUCCESS]
    assert committed.messages[0].name == "roll"


async def test_calls_that_need_no_approval_wait_for_the_others(world: World) -> None:
    agent_id, asking = await world.create_agent(), new_id("run")
    await world.begin(agent_id, asking)
    waiting = ToolCall(id="call_2", name="flip", needs_approval=True)
    await world.commit(asking, assistant=calling(CALL, waiting), end=REQUIRES_APPROVAL)

    snapshot = (await world.begin(agent_id, approvals=[approved(waiting)])).snapshot

    assert [call.id for call in snapshot.pending_calls] == [CALL.id, waiting.id]


async def test_a_message_beside_the_answer_comes_after_the_returns(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id)

    await world.begin(agent_id, run_id, approvals=[approved()], input=[said("and then?")])
    await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))
    await world.commit(run_id, 2, assistant=answered("done"), end=END_TURN)

    assert texts(await world.window(agent_id))[2:] == ["roll", "", "6", "and then?", "done"]


async def test_the_old_form_answers_every_call_of_the_request_that_it_names(world: World) -> None:
    agent_id = await world.create_agent()
    _, request = await world.request_approval(agent_id, CALL, OTHER)
    answers = [ApprovalAnswer(approve=False, reason="no")]

    with pytest.raises(InvalidArgument):
        await world.begin(agent_id, approvals=answers, approval_request_id=new_id("message"))
    snapshot = (await world.begin(agent_id, approvals=answers, approval_request_id=request.id)).snapshot

    assert [returned.call_id for returned in snapshot.known_returns] == [CALL.id, OTHER.id]


@pytest.mark.parametrize("call_ids", [["wrong"], ["call_1"], ["call_1", "call_1"], ["call_1", "call_2", "call_3"]])
async def test_answers_to_other_calls_are_refused_and_the_request_stays(world: World, call_ids: list[str]) -> None:
    agent_id = await world.create_agent()
    await world.request_approval(agent_id, CALL, OTHER)

    with pytest.raises(InvalidArgument, match="Invalid tool call IDs") as raised:
        await world.begin(agent_id, approvals=[ApprovalAnswer(call_id=i, approve=True) for i in call_ids])

    assert raised.value.reason == "INVALID_CALL_IDS"
    await world.begin(agent_id, approvals=[approved(), approved(OTHER)])


async def test_an_answer_to_nothing_is_refused(world: World) -> None:
    agent_id = await world.create_agent()

    with pytest.raises(InvalidArgument, match="No tool call is currently awaiting approval"):
        await world.begin(agent_id, approvals=[approved()])


async def test_an_answer_repeated_names_the_run_that_completed_it(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id)
    await answer(world, agent_id, run_id)

    with pytest.raises(Conflict) as raised:
        await world.begin(agent_id, approvals=[approved()])

    assert (raised.value.reason, raised.value.metadata) == ("ALREADY_ANSWERED", {"run_id": run_id})


async def test_what_comes_with_an_answer_repeated_is_taken_in_once(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id)
    await world.begin(agent_id, run_id, approvals=[approved()], input=[said("and then?")])
    await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))
    await world.commit(run_id, 2, assistant=answered("done"), end=END_TURN)

    with pytest.raises(Conflict) as raised:
        await world.begin(agent_id, approvals=[approved()], input=[said("and then?")])
    begun = (await world.begin(agent_id, approvals=[approved()], input=[said("something else")])).snapshot

    assert raised.value.metadata == {"run_id": run_id}
    assert texts(begun.input) == ["something else"]
    assert not begun.pending_calls
    assert texts(begun.window)[-2:] == ["done", "something else"]


@pytest.mark.parametrize("completed", [True, False])
async def test_another_answer_than_the_first_is_refused(world: World, *, completed: bool) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    _, request = await world.request_approval(agent_id)
    if completed:
        await answer(world, agent_id, run_id)
    else:
        await world.begin(agent_id, run_id, approvals=[approved()])
        await world.end(run_id)

    for call_id, request_id in ((CALL.id, ""), ("", request.id)):
        denial = ApprovalAnswer(call_id=call_id, approve=False)
        with pytest.raises(Conflict, match="it was approved") as raised:
            await world.begin(agent_id, approvals=[denial], approval_request_id=request_id)
        assert (raised.value.reason, raised.value.metadata) == ("ANSWERED_OTHERWISE", {"run_id": run_id})

    await world.talk(agent_id)


async def test_answered_calls_beside_an_unknown_one_are_answers_to_nothing(world: World) -> None:
    agent_id = await world.create_agent()
    await world.request_approval(agent_id)
    await answer(world, agent_id, new_id("run"))

    with pytest.raises(InvalidArgument, match="No tool call is currently awaiting approval"):
        await world.begin(agent_id, approvals=[approved(), approved(OTHER)])


async def test_an_answer_repeated_while_the_next_request_waits_names_its_run(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id)
    await world.begin(agent_id, run_id, approvals=[approved()])
    await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))
    waiting = ToolCall(id="call_2", name="flip", needs_approval=True)
    await world.commit(run_id, 2, assistant=calling(waiting), end=REQUIRES_APPROVAL)

    with pytest.raises(Conflict) as raised:
        await world.begin(agent_id, approvals=[approved()])

    assert raised.value.metadata == {"run_id": run_id}


async def test_cancelling_after_the_answer_closes_the_calls_and_the_answer_may_come_again(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id, CALL, OTHER)
    denial = ApprovalAnswer(call_id=OTHER.id, approve=False, reason="no")
    await world.begin(agent_id, run_id, approvals=[approved(), denial])

    outcome = await world.end(run_id)
    again = (await world.begin(agent_id, approvals=[approved(), denial])).snapshot

    [closing] = outcome.closing_messages
    assert [part.tool_return.status for part in closing.parts] == [TOOL_STATUS_ERROR, TOOL_STATUS_ERROR]
    assert closing.parts[1].tool_return.value.endswith("no")
    assert again.window[-2] == closing
    assert "keep-alive" in texts(again.input)[0]
    assert not again.pending_calls


async def test_cancelling_a_waiting_turn_denies_its_calls(world: World) -> None:
    agent_id = await world.create_agent()
    run_id, request = await world.request_approval(agent_id)

    outcome = await world.end(run_id)
    repeated = await world.end(run_id)

    assert outcome.state == repeated.state == pb.TURN_STATE_COMPLETED
    [closing] = outcome.closing_messages
    assert (closing.run_id, closing.step_id) == (run_id, request.step_id)
    assert closing.parts[0].tool_return.value.startswith("Error: request to call tool denied")
    assert not repeated.closing_messages
    await world.talk(agent_id)
    with pytest.raises(InvalidArgument, match="No tool call is currently awaiting approval"):
        await world.begin(agent_id, approvals=[approved()])


async def test_a_takeover_finds_the_calls_still_open(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id)
    first = (await world.begin(agent_id, run_id, approvals=[approved()])).snapshot

    taken = (await world.begin(agent_id, run_id, attempt=2, approvals=[approved()])).snapshot

    first.opened = False  # the second call began nothing
    assert taken == first


async def test_the_returns_of_an_answered_request_come_first(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.request_approval(agent_id)
    await world.begin(agent_id, run_id, approvals=[approved()])

    with pytest.raises(InvalidArgument):
        await world.commit(run_id, assistant=answered("too early"))


async def test_a_step_with_waiting_calls_must_be_the_last(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    asked: Message = calling(ToolCall(id="call_1", name="roll", needs_approval=True))

    with pytest.raises(InvalidArgument):
        await world.commit(run_id, assistant=asked)
