"""What a client sees when the model's provider fails, and that the conversation goes on."""

from dataclasses import dataclass

import httpx
import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.events import DONE, kinds, read_stream
from tests.e2e.vendors import Vendors
from tests.e2e.ways import ended, last_run, messages_of, send


@dataclass(frozen=True)
class Failure:
    """What the provider does, and how the API tells it: as the status and type of JSON, and as the type in streams."""

    directive: str
    status: int
    type: str
    streamed_type: str = ""


FAILURES = (
    Failure("status=400", 400, "llm_bad_request"),
    Failure("status=401", 401, "llm_authentication"),
    Failure("status=403", 500, "llm_error"),
    Failure("status=429", 429, "llm_rate_limit"),
    Failure("status=500", 500, "llm_error"),
    Failure("drop", 500, "llm_error"),
    Failure("drop=mid_stream", 500, "llm_error"),
    Failure("stream_error", 500, "llm_error"),
    Failure("garbage", 500, "llm_error"),
    Failure("empty", 500, "llm_error", "llm_empty_response"),
)
each_failure = pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.directive)


async def assert_goes_on(client: AsyncLetta, agent_id: str) -> None:
    """The run is failed, its message is kept and the next one is answered."""
    run = await last_run(client, agent_id)
    assert run.status == "failed"
    assert run.metadata is not None
    assert run.metadata["error"]
    assert [one.message_type for one in await messages_of(client, agent_id)] == ["system_message", "user_message"]
    assert (await send(client, agent_id, "Hello")).text == "You said: Hello"


@each_failure
async def test_a_failure_is_told_as_json(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, *, failure: Failure
) -> None:
    body = {"input": f"Say 'anything at all' [[fake: {failure.directive}]]"}
    response = await http.post(f"/v1/agents/{agent.id}/messages", json=body)

    assert response.status_code == failure.status
    error = response.json()["error"]
    assert error["type"] == failure.type
    assert error["message"]
    assert error["detail"]
    assert response.headers["x-should-retry"] == "false"
    await assert_goes_on(client, agent.id)


@each_failure
async def test_a_failure_is_told_in_a_stream(
    client: AsyncLetta, http: httpx.AsyncClient, agent: AgentState, *, failure: Failure
) -> None:
    body = {"input": f"Say 'anything at all' [[fake: {failure.directive}]]", "stream_tokens": True}
    events = await read_stream(http, f"/v1/agents/{agent.id}/messages/stream", body)

    assert [event.kind for event in events[-3:]] == ["stop_reason", "error_message", DONE]
    assert events[-3].data["stop_reason"] == "llm_api_error"
    assert events[-2].name == "error"
    assert events[-2].data["error_type"] == (failure.streamed_type or failure.type)
    assert events[-2].data["run_id"] == events[0].data["run_id"]
    assert kinds(events).count("stop_reason") == 1
    await assert_goes_on(client, agent.id)


@pytest.mark.parametrize(
    "handle",
    ["openai/gpt-5", "anthropic/claude-sonnet-4-5-20250929", "google_ai/gemini-2.5-pro", "zai/glm-4.6"],
)
@pytest.mark.parametrize("failure", FAILURES[1:4], ids=lambda failure: failure.directive)
async def test_every_vendor_fails_in_the_same_way(
    http: httpx.AsyncClient, make_agent: MakeAgent, handle: str, *, failure: Failure
) -> None:
    agent = await make_agent(handle)

    body = {"input": f"Hello [[fake: {failure.directive}]]"}
    response = await http.post(f"/v1/agents/{agent.id}/messages", json=body)

    assert (response.status_code, response.json()["error"]["type"]) == (failure.status, failure.type)


@pytest.mark.parametrize("handle", ["openai/gpt-4o-mini", "zai/glm-4.6"])
async def test_an_overloaded_provider_is_a_503(http: httpx.AsyncClient, make_agent: MakeAgent, handle: str) -> None:
    agent = await make_agent(handle)

    response = await http.post(f"/v1/agents/{agent.id}/messages", json={"input": "Hello [[fake: status=503]]"})

    assert response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert isinstance(response.json()["detail"], str)


async def test_a_failure_that_passes_is_not_seen(
    client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    answer = await send(client, agent.id, f"Say 'better now' [[fake: status=500 times=1]] {word}")

    assert answer.text == "better now"
    assert len(await vendors.received(word)) == 2


async def test_an_answer_cut_off_by_length_is_given_as_it_is(client: AsyncLetta, agent: AgentState) -> None:
    answer = await send(client, agent.id, "Say 'one two three four' [[fake: finish=length]]")

    assert answer.text == "one two"
    assert answer.stop_reason == "max_tokens_exceeded"
    assert (await last_run(client, agent.id)).status == "failed"
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"


async def test_a_failure_of_a_run_that_nobody_waits_for_is_in_the_run(client: AsyncLetta, agent: AgentState) -> None:
    started = await client.agents.messages.create_async(agent.id, input="Hello [[fake: status=401]]")

    run = await ended(client, started.id)

    assert (run.status, run.stop_reason) == ("failed", "llm_api_error")
    await assert_goes_on(client, agent.id)


async def test_a_failure_in_a_later_step_keeps_the_earlier_ones(
    client: AsyncLetta, make_agent: MakeAgent, http: httpx.AsyncClient
) -> None:
    agent = await make_agent()

    body = {"input": "call tool missing with {} [[fake: status=401 on_step=2]]"}
    response = await http.post(f"/v1/agents/{agent.id}/messages", json=body)

    assert response.status_code == httpx.codes.UNAUTHORIZED
    kept = [one.message_type for one in await messages_of(client, agent.id)]
    assert kept == ["system_message", "user_message", "tool_call_message", "tool_return_message"]
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"
