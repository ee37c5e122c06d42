"""The whole agents service in this process, behind a real channel."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from perdure.agents.v1 import (
    agent_rest_pb2,
    archive_rest_pb2,
    conversation_rest_pb2,
    folder_rest_pb2,
    memory_rest_pb2,
)
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceStub
from perdure.agents.v1.turn_service_pb2_grpc import TurnServiceStub
from perdure.llm_router.v1.llm_router_service_pb2_grpc import add_LlmRouterServiceServicer_to_server
from perdure.tools.v1.tool_service_pb2_grpc import add_ToolServiceServicer_to_server
from services.agents.__main__ import wire
from services.agents.folders.ingestion import Ingestion, Pace
from services.common.channels import open_channel
from services.common.database import Database, open_engine
from services.common.errors import PerdureError
from services.common.secrets import SecretBox
from services.common.status import rpc_errors
from tests.agents.neighbours import Router, Tools, serve

FILES = (agent_rest_pb2, archive_rest_pb2, conversation_rest_pb2, folder_rest_pb2, memory_rest_pb2)
OPERATIONS: dict[str, MethodDescriptor] = {
    method.name: method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
MODEL = {"model": "openai/gpt-4o-mini"}
TIMEOUT_S = 120  # seconds; for requests that should take a fraction of it
ABSENT = "00000000-0000-4000-8000-00000000dead"


class Api:
    """Calls of REST operations, as the gateway makes them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def call(self, method: str, body: Any = None, **query: Any) -> Any:
        """The answer's JSON; None where it has no body."""
        request: Any = GetMessageClass(OPERATIONS[method].input_type)(**query)  # Any: the RPC's own message
        if body is not None:
            request.body.data = orjson.dumps(body)
        rpc = self.channel.unary_unary(
            f"/{OPERATIONS[method].containing_service.full_name}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=HttpBody.FromString,
        )
        with rpc_errors():
            answer: HttpBody = await rpc(request, timeout=TIMEOUT_S)
        return orjson.loads(answer.data) if answer.data else None

    async def problem(self, method: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """The status and the detail of an error."""
        with pytest.raises(PerdureError) as caught:
            await self.call(method, body, **query)
        return caught.value.http_status, str(caught.value.detail)

    async def create(self, **body: Any) -> Any:
        """A new agent."""
        return await self.call("CreateAgent", MODEL | body)

    async def system_message(self, agent_id: str) -> str:
        """The text of the system message of an agent's own history."""
        messages = await self.call("ListAgentMessages", agent_id=agent_id, order="asc", limit=1)
        return str(messages[0]["content"])


@dataclass(frozen=True)
class Service:
    """What tests talk to: `api` as the 1.x SDK, `older` as any other client.

    Files wait for `ingestion`; `tools` is a neighbour.
    """

    api: Api
    older: Api
    agents: AgentServiceStub
    turns: TurnServiceStub
    database: Database
    ingestion: Ingestion
    tools: Tools


@asynccontextmanager
async def running(postgres_url: str, folder: Path) -> AsyncIterator[Service]:
    """The service with its neighbours."""
    here = folder / uuid.uuid4().hex[:8]
    neighbours = Router(), Tools()  # type: ignore[abstract]  # they have what agents ask for
    router = await serve(f"unix:{here}.llm", partial(add_LlmRouterServiceServicer_to_server, neighbours[0]))
    tools = await serve(f"unix:{here}.tools", partial(add_ToolServiceServicer_to_server, neighbours[1]))
    channels = [open_channel(f"unix:{here}.{name}") for name in ("llm", "tools", "agents")]
    older = grpc.aio.insecure_channel(f"unix:{here}.agents", options=[("grpc.primary_user_agent", "curl/8")])
    engine = open_engine(postgres_url)
    wired = wire(Database(engine), SecretBox({}), channels[0], channels[1], pace=Pace(retry=timedelta(0)))
    agents = await serve(f"unix:{here}.agents", wired.add_services)
    stubs = AgentServiceStub(channels[2]), TurnServiceStub(channels[2])
    yield Service(Api(channels[2]), Api(older), *stubs, Database(engine), wired.ingestion, neighbours[1])
    for channel in (*channels, older):
        await channel.close()
    for server in (agents, router, tools):
        await server.stop(None)
    await engine.dispose()
