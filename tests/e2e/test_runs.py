"""What runs leave behind: runs, steps and messages, over REST."""

import httpx
import pytest
from letta_client import AsyncLetta, NotFoundError
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import Answer, ended, send

CALL = 'call tool roll_dice with {"num_sides": 16}'


@pytest.fixture
async def answer(client: AsyncLetta, make_agent: MakeAgent) -> Answer:
    """The answer of a run of two steps."""
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id])
    return await send(client, agent.id, CALL)


async def test_a_run_says_how_it_went(client: AsyncLetta, answer: Answer) -> None:
    run = await client.runs.retrieve(answer.run_id)

    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    assert run.completed_at is not None
    assert run.created_at is not None
    assert run.completed_at > run.created_at
    assert run.total_duration_ns
    assert run.ttft_ns
    assert 0 < run.ttft_ns <= run.total_duration_ns
    assert run.metadata is not None
    assert run.metadata["run_type"] == "send_message"


async def test_a_run_has_steps_with_usage(client: AsyncLetta, answer: Answer) -> None:
    steps = [step async for step in client.runs.steps.list(answer.run_id)]

    assert len(steps) == 2
    assert {step.api_model_handle for step in steps} == {"openai/gpt-4o-mini"}
    usage = await client.runs.usage.retrieve(answer.run_id)
    assert usage.total_tokens == sum(step.total_tokens or 0 for step in steps)
    assert usage.total_tokens == answer.usage.total_tokens
    assert answer.usage.step_count == 2


async def test_a_step_has_its_messages(client: AsyncLetta, answer: Answer) -> None:
    first, last = [step.id async for step in client.runs.steps.list(answer.run_id, order="asc")]

    assert (await client.steps.retrieve(first)).run_id == answer.run_id
    first_kinds = [one.message_type async for one in client.steps.messages.list(first)]
    last_kinds = [one.message_type async for one in client.steps.messages.list(last)]
    assert first_kinds == ["user_message", "tool_call_message", "tool_return_message"]
    assert last_kinds == ["assistant_message"]
    assert (await client.steps.metrics.retrieve(first)).llm_request_ns


async def test_the_messages_of_a_run_are_paged_oldest_first(client: AsyncLetta, answer: Answer) -> None:
    kinds = [one.message_type async for one in client.runs.messages.list(answer.run_id, limit=1)]

    assert kinds == ["user_message", *answer.kinds]


async def test_a_message_is_found_by_its_id(client: AsyncLetta, answer: Answer) -> None:
    found = await client.messages.retrieve(answer.messages[-1].id)

    assert [one.content for one in found] == [answer.text]  # type: ignore[union-attr]


async def test_messages_are_listed_from_any_side(client: AsyncLetta, agent: AgentState) -> None:
    for number in range(4):
        await send(client, agent.id, f"Number {number}")
    every = [one.id async for one in client.agents.messages.list(agent.id, limit=1000)]

    forward = [one.id async for one in client.agents.messages.list(agent.id, limit=2, order="asc")]
    newest = (await client.agents.messages.list(agent.id, limit=3)).items
    before = (await client.agents.messages.list(agent.id, before=every[4], limit=2)).items

    assert len(every) == 9
    assert forward == every
    assert [one.id for one in newest] == every[-3:]
    assert [one.id for one in before] == every[2:4]


async def test_runs_are_listed_newest_first_and_filtered(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, vendors: Vendors, word: str
) -> None:
    done = [(await send(client, agent.id, "Hello")).run_id for _ in range(2)]
    slow = await client.agents.messages.create_async(
        agent.id, input=f"Reply with 1000 words [[fake: inter_token_ms=100]] {word}"
    )
    await vendors.wait_until_speaking(word)

    async def listed(**query: object) -> list[str]:
        response = await http.get("/v1/runs/", params={"agent_id": agent.id, **query})  # type: ignore[dict-item]
        return [run["id"] for run in response.json()]

    assert await listed() == [slow.id, *reversed(done)]
    assert await listed(active=True) == [slow.id]
    assert await listed(statuses=["completed"]) == done[::-1]
    assert await listed(order="asc", limit=1) == done[:1]
    await client.agents.messages.cancel(agent.id)
    assert await listed(active=True) == []
    assert await listed(stop_reason="cancelled") == [slow.id]


async def test_a_deleted_run_is_gone_and_its_messages_stay(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState
) -> None:
    answer = await send(client, agent.id, "Hello")

    await http.delete(f"/v1/runs/{answer.run_id}")

    with pytest.raises(NotFoundError):
        await client.runs.retrieve(answer.run_id)
    assert answer.messages[0].id in [one.id async for one in client.agents.messages.list(agent.id)]


async def test_only_wanted_types_are_answered(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id])

    response = await client.agents.messages.create(
        agent.id, input=CALL, include_return_message_types=["assistant_message"]
    )
    run = await client.agents.messages.create_async(
        agent.id, input=CALL, include_return_message_types=["tool_return_message"]
    )

    assert [one.message_type for one in response.messages] == ["assistant_message"]
    await ended(client, run.id)
    assert [one.message_type async for one in client.runs.messages.list(run.id)] == ["tool_return_message"]


async def test_a_turn_stops_after_as_many_steps_as_are_allowed(client: AsyncLetta, make_agent: MakeAgent) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id])

    response = await client.agents.messages.create(agent.id, input=f"keep calling: {CALL}", max_steps=3)

    assert response.stop_reason.stop_reason == "max_steps"
    assert response.usage.step_count == 3
    assert (await client.runs.retrieve(str(response.messages[0].run_id))).status == "completed"
