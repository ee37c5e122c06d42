"""What a turn does, step by step."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from perdure.conversation.v1.message_pb2 import ROLE_USER, ApprovalAnswer
from perdure.conversation.v1.model_pb2 import TOOL_KIND_CLIENT, TOOL_KIND_MEMORY
from perdure.llm_router.v1.llm_router_service_pb2 import FINISH_REASON_LENGTH
from services.common.conversation_busy import ConversationBusy
from services.common.errors import DeadlineExceeded, Internal, NotFound, OutOfRange, ResourceExhausted, Unavailable
from services.common.ids import new_id
from services.runs.records import KeyReused, Skill
from services.runs.runs import NothingSent
from tests.runs.conftest import ORGANIZATION, Replica, World
from tests.runs.fake_services import call, fails, says, tool, user


async def finished(replica: Replica, world: World, **fields: object) -> object:
    started = await replica.runs.start(world.request(**fields))  # type: ignore[arg-type]
    await replica.watch(started.run.id)
    return await replica.runs.get(ORGANIZATION, started.run.id)


def kinds(events: list) -> list[str]:  # type: ignore[type-arg]
    return [event.WhichOneof("event") for event in events]


async def test_a_simple_turn_streams_its_answer_and_completes(world: World, replica: Replica) -> None:
    world.router.script = [says("Hello", " there")]

    started = await replica.runs.start(world.request())
    events = await replica.watch(started.run.id)

    assert kinds(events) == ["started", "delta", "delta", "ended"]
    assert [event.seq for event in events] == [1, 2, 3, 4]
    run = await replica.runs.get(ORGANIZATION, started.run.id)
    assert (run.status, run.stop_reason, run.steps, run.usage.total_tokens) == ("completed", "end_turn", 1, 15)
    assert run.ttft_ns > 0
    assert run.total_duration_ns > 0
    assert run.agent_id == world.conversation.replace("conv-", "agent-")
    assert world.agents.texts(world.conversation) == ["Hello there"]


async def test_without_deltas_whole_messages_come(world: World, replica: Replica) -> None:
    world.router.script = [says("Hello", " there")]

    started = await replica.runs.start(world.request(without_deltas=True))
    events = await replica.watch(started.run.id)

    assert kinds(events) == ["started", "message", "ended"]
    assert events[1].message.parts[0].text == "Hello there"


async def test_calls_of_a_step_run_at_once_and_return_in_order(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("slow"), tool("fast")]
    slow_may_end = asyncio.Event()

    async def behave(request: object) -> str:
        if request.tool_id == "tool-slow":  # type: ignore[attr-defined]
            await slow_may_end.wait()
            return "slow"
        slow_may_end.set()
        return "fast"

    world.tools.behaviour = behave
    world.router.script = [says(calls=[call("slow", "c1"), call("fast", "c2")])]

    started = await replica.runs.start(world.request())
    events = await replica.watch(started.run.id)

    returns = [part.tool_return.value for event in events for part in event.message.parts]
    assert returns == ["slow", "fast"]
    run = await replica.runs.get(ORGANIZATION, started.run.id)
    assert run.steps == 2
    assert run.tools_used == ("tool-slow", "tool-fast")


async def test_bad_calls_get_error_returns_and_the_turn_goes_on(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("known")]
    world.router.script = [says(calls=[call("unknown", "c1"), call("known", "c2", "{broken")])]

    started = await replica.runs.start(world.request())
    events = await replica.watch(started.run.id)

    values = [part.tool_return.value for event in events for part in event.message.parts]
    assert "known" in values[0]
    assert "not valid JSON" in values[1]
    assert world.tools.executed == []
    assert events[-1].ended.steps == 2


async def test_memory_tools_run_with_the_commit(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("memory", TOOL_KIND_MEMORY)]
    world.router.script = [says(calls=[call("memory")])]

    run = await finished(replica, world)

    assert world.tools.executed == []
    assert run.steps == 2  # type: ignore[attr-defined]


async def test_a_call_that_needs_approval_ends_the_run_and_is_made_when_answered(
    world: World, replica: Replica
) -> None:
    world.agents.tools = [tool("careful", requires_approval=True), tool("free")]
    world.router.script = [says("Let me", calls=[call("careful", "c1"), call("free", "c2")])]

    started = await replica.runs.start(world.request())
    events = await replica.watch(started.run.id)

    assert events[-1].ended.stop_reason == 4
    assert [e.delta.tool_call.needs_approval for e in events if e.delta.HasField("tool_call")] == [True, False]
    assert world.tools.executed == []

    answered = await replica.runs.start(
        world.request(input=(), approvals=(ApprovalAnswer(call_id="c1", approve=True),))
    )
    events = await replica.watch(answered.run.id)

    assert sorted(world.tools.executed) == ["c1", "c2"]
    assert [part.tool_return.call_id for each in events for part in each.message.parts] == ["c1", "c2"]
    assert events[-1].ended.stop_reason == 1


async def test_a_client_tool_waits_for_the_client(world: World, replica: Replica) -> None:
    world.router.script = [says(calls=[call("mine")])]

    run = await finished(replica, world, client_tools=(tool("mine", TOOL_KIND_CLIENT),))

    assert run.stop_reason == "requires_approval"  # type: ignore[attr-defined]
    assert [offered.name for offered in world.router.requests[0].tools] == ["mine"]


async def test_max_steps_ends_the_run_with_its_last_step(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("again")]
    world.router.script = [says(calls=[call("again", f"c{index}")]) for index in range(5)]

    run = await finished(replica, world, max_steps=2)

    assert (run.stop_reason, run.steps, run.status) == ("max_steps", 2, "completed")  # type: ignore[attr-defined]
    assert world.tools.executed == ["c0", "c1"]


async def test_a_cut_off_answer_is_kept(world: World, replica: Replica) -> None:
    world.router.script = [says("half of", finish=FINISH_REASON_LENGTH)]

    run = await finished(replica, world)

    assert (run.status, run.stop_reason, run.failure) == ("failed", "max_tokens_exceeded", None)  # type: ignore[attr-defined]
    assert world.agents.texts(world.conversation) == ["half of"]


async def test_a_provider_failure_ends_the_run_with_its_type(world: World, replica: Replica) -> None:
    error = ResourceExhausted("slow down")
    error.reason = "LLM_RATE_LIMIT"
    world.router.script = [fails(error, "partial")]

    started = await replica.runs.start(world.request())
    events = await replica.watch(started.run.id)

    assert kinds(events) == ["started", "delta", "step_discarded", "ended"]
    assert (events[-1].ended.error.type, events[-1].ended.error.http_status) == ("llm_rate_limit", 429)
    run = await replica.runs.get(ORGANIZATION, started.run.id)
    assert (run.status, run.stop_reason, run.failure.reason) == ("failed", "llm_api_error", "LLM_RATE_LIMIT")
    assert world.agents.texts(world.conversation) == []


async def test_an_empty_answer_is_a_failure(world: World, replica: Replica) -> None:
    world.router.script = [says()]

    run = await finished(replica, world)

    assert run.failure.type == "llm_empty_response"  # type: ignore[attr-defined]


async def test_overflow_compacts_and_tries_again(world: World, replica: Replica) -> None:
    world.router.script = [fails(OutOfRange("too long")), says("fits")]

    run = await finished(replica, world)

    assert run.status == "completed"  # type: ignore[attr-defined]
    assert world.agents.compactions == 1


async def test_overflow_that_stays_is_a_clean_error(world: World, replica: Replica) -> None:
    world.router.script = [fails(OutOfRange("too long")) for _ in range(9)]

    run = await finished(replica, world)

    assert run.failure.detail.startswith("CONTEXT_WINDOW_EXCEEDED")  # type: ignore[attr-defined]
    assert run.failure.http_status == 400  # type: ignore[attr-defined]
    assert world.agents.compactions == 3


async def test_a_router_that_goes_away_is_asked_again(world: World, replica: Replica) -> None:
    world.router.script = [fails(Unavailable("gone"), "part"), says("whole")]

    run = await finished(replica, world)

    assert run.status == "completed"  # type: ignore[attr-defined]
    assert world.agents.texts(world.conversation) == ["whole"]


async def test_overrides_hold_for_the_request(world: World, replica: Replica) -> None:
    skills = (Skill("maps", "finds ways", "/skills/maps"),)

    await finished(replica, world, override_model="other/model", override_system="Be brief.", client_skills=skills)

    asked = world.router.requests[0]
    assert asked.model == "other/model"
    assert asked.messages[0].parts[0].text == "Be brief."
    assert "/skills/maps" in asked.messages[0].parts[1].text


async def test_a_refused_run_leaves_nothing_behind(world: World, replica: Replica) -> None:
    world.agents.missing.add(world.conversation)

    with pytest.raises(NotFound):
        await replica.runs.start(world.request())

    assert await replica.runs.find_active(ORGANIZATION, world.conversation) is None


async def test_a_run_whose_beginning_was_stored_without_an_answer_fails_and_frees_the_conversation(
    world: World, replica: Replica
) -> None:
    world.agents.lose_answer.add("BeginTurn")
    request = world.request(request_id="")
    first = await replica.runs.start(request)
    await replica.watch(first.run.id)
    failed = await replica.runs.get(ORGANIZATION, first.run.id)
    world.agents.lose_answer.clear()

    again = await replica.runs.start(replace(request, retry_count=1))
    await replica.watch(again.run.id)

    assert failed.status == "failed"
    assert failed.failure is not None
    assert not failed.failure.before_input
    assert world.agents.texts(world.conversation) == ["done"]
    assert len(world.agents.texts(world.conversation, ROLE_USER)) == 1


async def test_a_run_that_could_not_be_begun_leaves_nothing_behind(world: World, replica: Replica) -> None:
    world.agents.begin_failures.append(Internal("The request could not be read."))

    with pytest.raises(Internal):
        await replica.runs.start(world.request())

    await replica.watch((await replica.runs.start(world.request())).run.id)
    assert len(world.agents.texts(world.conversation, ROLE_USER)) == 1


async def test_a_run_whose_beginning_took_too_long_waits_and_is_begun_again(world: World, replica: Replica) -> None:
    world.agents.begin_failures.append(DeadlineExceeded("The service did not answer in time."))

    started = await replica.runs.start(world.request())
    run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert (run.status, run.attempt) == ("completed", 2)
    assert len(world.agents.texts(world.conversation, ROLE_USER)) == 1


async def test_a_busy_conversation_names_its_run(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)]
    first = await replica.runs.start(world.request())

    with pytest.raises(ConversationBusy, match=f"run_id={first.run.id}.*is currently being processed"):
        await replica.runs.start(world.request("second"))

    gate.set()
    await replica.watch(first.run.id)
    second = await replica.runs.start(world.request("second"))
    assert (await replica.watch(second.run.id))[-1].ended.stop_reason == 1


async def test_repeated_sends_join_the_first_run(world: World, replica: Replica) -> None:
    named = await replica.runs.start(world.request(request_id="once"))
    again = await replica.runs.start(world.request(request_id="once"))
    await replica.watch(named.run.id)
    retried = await replica.runs.start(world.request(request_id="", retry_count=1))

    assert (again.run.id, again.attached) == (named.run.id, True)
    assert (retried.run.id, retried.attached) == (named.run.id, True)
    assert len(world.router.requests) == 1


async def test_a_background_send_with_the_same_otid_joins(world: World, replica: Replica) -> None:
    sent = (user("hi", otid="0d5c"),)
    first = await replica.runs.start(world.request(input=sent, background=True))
    await replica.watch(first.run.id)
    second = await replica.runs.start(world.request(input=sent, background=True))
    foreground = await replica.runs.start(world.request(input=sent))

    assert (second.run.id, second.attached) == (first.run.id, True)
    assert foreground.run.id != first.run.id


async def deliver(replica: Replica, run_id: str, *, ago: str = "0 s") -> None:
    """The whole answer of a run was sent, some time ago."""
    await replica.watch(run_id)
    await replica.runs.mark_delivered(ORGANIZATION, run_id)
    await replica.wait_for(run_id, lambda run: run.delivered)
    async with replica.engine.begin() as connection:
        await connection.execute(
            text("UPDATE runs.runs SET delivered_at = delivered_at - CAST(:ago AS text)::interval WHERE id = :id"),
            {"ago": ago, "id": run_id},
        )


async def test_an_answer_that_was_just_sent_may_be_lost(world: World, replica: Replica) -> None:
    first = await replica.runs.start(world.request())
    await deliver(replica, first.run.id, ago="60 s")

    second = await replica.runs.start(world.request(retry_count=1))

    assert second.attached is True


async def test_an_answer_whose_client_would_have_missed_it_by_now_is_not_joined(world: World, replica: Replica) -> None:
    first = await replica.runs.start(world.request())
    await deliver(replica, first.run.id, ago="60 s")

    second = await replica.runs.start(world.request(retry_count=1, read_timeout_s=20.0))

    assert second.attached is False


async def test_a_key_stands_for_one_request(world: World, replica: Replica) -> None:
    first = await replica.runs.start(world.request("one", request_id="key"))
    await replica.watch(first.run.id)

    again = await replica.runs.start(world.request("one", request_id="key"))
    with pytest.raises(KeyReused):
        await replica.runs.start(world.request("two", request_id="key"))

    assert again.run.id == first.run.id


async def test_a_failed_run_that_is_sent_again_brings_its_input_once(world: World, replica: Replica) -> None:
    error = Unavailable("down")
    error.reason = "LLM_UNAVAILABLE"
    world.router.script = [fails(error), fails(error), says("at last")]

    runs = [await finished(replica, world, retry_count=tries) for tries in range(3)]

    assert [run.status for run in runs] == ["failed", "failed", "completed"]  # type: ignore[attr-defined]
    assert world.agents.texts(world.conversation, ROLE_USER) == ["hello"]


async def test_a_run_that_failed_before_its_input_was_taken_brings_it_again(world: World, replica: Replica) -> None:
    world.agents.missing.add(world.conversation)
    waiting = await replica.runs.store.insert(new_id("run"), world.request(), "a dead process", sent=world.request())
    await replica.wait_for(waiting.id, lambda run: run.is_final)
    world.agents.missing.clear()

    run = await finished(replica, world, retry_count=1)

    assert run.status == "completed"  # type: ignore[attr-defined]
    assert world.agents.texts(world.conversation, ROLE_USER) == ["hello"]


async def test_an_answer_that_was_cut_off_is_not_made_anew(world: World, replica: Replica) -> None:
    world.router.script = [says("half of", finish=FINISH_REASON_LENGTH)]
    first = await finished(replica, world)

    again = await replica.runs.start(world.request(retry_count=1))

    assert (again.run.id, again.attached) == (first.id, True)  # type: ignore[attr-defined]


async def test_a_request_that_brings_nothing_is_refused(world: World, replica: Replica) -> None:
    with pytest.raises(NothingSent):
        await replica.runs.start(world.request(input=()))

    assert world.agents.begins == []
