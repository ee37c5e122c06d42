"""The main work over typed gRPC alone, through the gateway."""

from collections.abc import AsyncIterable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from letta_client import AsyncLetta
from letta_client.types import AgentState

from perdure.agents.v1.agent_service_pb2 import CreateAgentRequest, DeleteAgentRequest, ListMessagesRequest
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceStub
from perdure.conversation.v1.message_pb2 import ROLE_USER, STOP_REASON_END_TURN, Message, Part
from perdure.llm_router.v1.llm_router_service_pb2 import CompleteRequest, EmbedRequest
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from perdure.runs.v1.run_pb2 import RUN_STATUS_CANCELLED, RunEvent
from perdure.runs.v1.run_service_pb2 import (
    CancelRunRequest,
    GetRunRequest,
    ListRunsRequest,
    StartRunRequest,
    StreamRunRequest,
    WatchRunRequest,
    WatchRunResponse,
)
from perdure.runs.v1.run_service_pb2_grpc import RunServiceStub
from perdure.tools.v1.tool_service_pb2 import ExecuteRequest, UpsertToolRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from tests.e2e.conftest import TIMEOUT_S
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import answer_of, ended, send

ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"


def say(text: str) -> list[Message]:
    return [Message(role=ROLE_USER, parts=[Part(text=text)])]


def start(conversation_id: str, text: str) -> StartRunRequest:
    return StartRunRequest(organization_id=ORGANIZATION, conversation_id=conversation_id, input=say(text))


async def events_of(responses: AsyncIterable[WatchRunResponse]) -> list[RunEvent]:
    return [event async for response in responses for event in response.events]


async def test_a_run_is_started_and_watched_again_from_an_event(channel: grpc.aio.Channel, agent: AgentState) -> None:
    runs = RunServiceStub(channel)
    run = (await runs.StartRun(start(agent.id, "Hello"))).run

    events = await events_of(runs.WatchRun(WatchRunRequest(organization_id=ORGANIZATION, run_id=run.id)))

    assert events[0].WhichOneof("event") == "started"
    assert "".join(event.delta.text for event in events) == "You said: Hello"
    assert events[-1].ended.stop_reason == STOP_REASON_END_TURN
    middle = events[len(events) // 2]
    request = WatchRunRequest(organization_id=ORGANIZATION, run_id=run.id, after_seq=middle.seq)
    again = await events_of(runs.WatchRun(request))
    assert again == [event for event in events if event.seq > middle.seq]


async def test_a_run_is_started_and_followed_in_one_call(channel: grpc.aio.Channel, agent: AgentState) -> None:
    request = StreamRunRequest(start=start(agent.id, "Hello"))

    answers = [answer async for answer in RunServiceStub(channel).StreamRun(request, timeout=TIMEOUT_S)]

    events = [event for answer in answers for event in answer.events]
    assert answers[0].started.run.agent_id == agent.id
    assert "".join(event.delta.text for event in events) == "You said: Hello"
    assert events[-1].ended.stop_reason == STOP_REASON_END_TURN


async def test_the_deadline_of_a_client_reaches_the_vendor(
    channel: grpc.aio.Channel, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    request = StreamRunRequest(start=start(agent.id, f"Reply with 1000 words [[fake: inter_token_ms=100]] {word}"))
    call = RunServiceStub(channel).StreamRun(request, timeout=8)
    run_id = (await anext(aiter(call))).started.run.id

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in call:
            pass

    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await vendors.wait_until_hung_up(word)
    run = await ended(client, run_id)
    assert run.status == "failed"
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"


async def test_a_deadline_for_the_start_is_none_for_the_run(
    channel: grpc.aio.Channel, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    request = start(agent.id, f"Hello {word} [[fake: ttft_ms=9000]]")

    run = (await RunServiceStub(channel).StartRun(request, timeout=8)).run

    assert (await answer_of(client, run.id)).text == f"You said: Hello {word}"


async def test_a_run_is_cancelled(
    channel: grpc.aio.Channel, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    runs = RunServiceStub(channel)
    run = (await runs.StartRun(start(agent.id, f"Reply with 1000 words [[fake: inter_token_ms=100]] {word}"))).run
    await vendors.wait_until_speaking(word)

    cancelled = await runs.CancelRun(CancelRunRequest(organization_id=ORGANIZATION, run_id=run.id))

    assert cancelled.run.status == RUN_STATUS_CANCELLED
    await vendors.wait_until_hung_up(word)
    assert (await send(client, agent.id, "Hello")).text == "You said: Hello"


async def test_an_agent_with_a_tool_is_made_and_its_messages_are_listed(channel: grpc.aio.Channel) -> None:
    agents, tools, runs = AgentServiceStub(channel), ToolServiceStub(channel), RunServiceStub(channel)
    tool = (await tools.UpsertTool(UpsertToolRequest(organization_id=ORGANIZATION, source_code=ROLL_DICE))).tool
    request = CreateAgentRequest(
        organization_id=ORGANIZATION, model="openai/gpt-4o-mini", tool_ids=[tool.definition.id], without_base_tools=True
    )
    agent = (await agents.CreateAgent(request)).agent
    run = (await runs.StartRun(start(agent.id, 'call tool roll_dice with {"num_sides": 16}'))).run
    await events_of(runs.WatchRun(WatchRunRequest(organization_id=ORGANIZATION, run_id=run.id)))

    listed = await agents.ListMessages(ListMessagesRequest(organization_id=ORGANIZATION, run_id=run.id))

    kinds = [message.parts[0].WhichOneof("kind") for message in listed.messages]
    assert kinds == ["text", "tool_call", "tool_return", "text"]
    assert listed.messages[2].parts[0].tool_return.value == "8"
    await agents.DeleteAgent(DeleteAgentRequest(organization_id=ORGANIZATION, agent_id=agent.id))


async def test_a_tool_is_executed(channel: grpc.aio.Channel) -> None:
    tools = ToolServiceStub(channel)
    tool = (await tools.UpsertTool(UpsertToolRequest(organization_id=ORGANIZATION, source_code=ROLL_DICE))).tool

    request = ExecuteRequest(
        organization_id=ORGANIZATION, tool_id=tool.definition.id, call_id="call_1", arguments='{"num_sides": 16}'
    )
    events = [event async for event in tools.Execute(request)]

    assert events[-1].tool_return.value == "8"


async def test_the_router_completes_and_embeds(channel: grpc.aio.Channel) -> None:
    router = LlmRouterServiceStub(channel)

    request = CompleteRequest(organization_id=ORGANIZATION, model="openai/gpt-4o-mini", messages=say("Hello"))
    events = [event async for response in router.Complete(request) for event in response.events]
    embedding = EmbedRequest(organization_id=ORGANIZATION, model="openai/text-embedding-3-small", texts=["a", "b"])
    vectors = (await router.Embed(embedding)).vectors

    assert "".join(event.text for event in events) == "You said: Hello"
    assert events[-1].completion.usage.prompt_tokens > 0
    assert [len(vector.values) for vector in vectors] == [1536, 1536]


async def test_an_unknown_run_is_not_found(channel: grpc.aio.Channel) -> None:
    request = GetRunRequest(organization_id=ORGANIZATION, run_id="run-00000000-0000-4000-8000-000000000000")

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await RunServiceStub(channel).GetRun(request)

    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def test_pages_have_no_negative_size(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="page_size is -1") as refused:
        await RunServiceStub(channel).ListRuns(ListRunsRequest(organization_id=ORGANIZATION, page_size=-1))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_health_and_reflection_answer(channel: grpc.aio.Channel) -> None:
    health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    watched = await anext(aiter(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())))
    assert health.status == watched.status == health_pb2.HealthCheckResponse.SERVING

    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    calls = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests)
    names = [service.name async for answer in calls for service in answer.list_services_response.service]
    assert any(name.startswith("perdure.") for name in names)
