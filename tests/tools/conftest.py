"""A tools service in this process, on the real Postgres, beside agents that remember what they were told."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from cryptography.fernet import Fernet
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message_factory import GetMessageClass

from perdure.agents.v1.agent_service_pb2 import (
    ApplyToolChangesRequest,
    ApplyToolChangesResponse,
    ChangeMemoryRequest,
    ChangeMemoryResponse,
    GetAgentStateRequest,
    GetAgentStateResponse,
)
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub, add_ToolServiceServicer_to_server
from services.common.channels import open_channel
from services.common.database import Database, open_engine
from services.common.errors import PermissionDenied, Unavailable
from services.common.rest import rest_handlers
from services.common.secrets import SecretBox
from services.common.server import ErrorInterceptor
from services.common.status import rpc_errors
from services.tools.__main__ import REST
from services.tools.builtin.calls import BuiltinCalls
from services.tools.builtin.clients.pages import HttpPages
from services.tools.builtin.clients.search import HttpSearch
from services.tools.builtin.code import Allowance, CodeRunner
from services.tools.builtin.providers.vendors import VENDORS
from services.tools.builtin.search import WebSearch
from services.tools.changes import Changes
from services.tools.clients import AgentsClient
from services.tools.execution import Execution
from services.tools.generation.generation import Generation, Question
from services.tools.mcp.breaker import BreakerLimits
from services.tools.mcp.calls import McpCalls
from services.tools.mcp.clients.allowed import Allowed
from services.tools.mcp.clients.authorization_servers import AuthorizationServers
from services.tools.mcp.clients.connection import ConnectionLimits
from services.tools.mcp.clients.servers import RemoteServers
from services.tools.mcp.oauth.authorizing import Authorizing
from services.tools.mcp.oauth.store import PostgresSessions
from services.tools.mcp.oauth.tokens import Tokens
from services.tools.mcp.registration import Registration
from services.tools.mcp.servers import McpServers
from services.tools.mcp.store import PostgresServers
from services.tools.operations import ToolOperations
from services.tools.registry import Registry
from services.tools.sandbox.job import Limits
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from services.tools.sandbox_configs.configs import SandboxConfigs
from services.tools.sandbox_configs.store import PostgresSandboxConfigs
from services.tools.servicer import ToolServicer
from services.tools.store.outbox import PostgresOutbox
from services.tools.store.tools import PostgresTools

REST_SERVICES = [service for file in REST for service in file.DESCRIPTOR.services_by_name.values()]
REST_METHODS = {method.name: method for service in REST_SERVICES for method in service.methods}
PUBLIC_URL = "http://perdure.test"  # nobody goes there: tests carry what a browser would
MCP_ALLOWED = Allowed(stdio=True, private_addresses=True)
MCP_LIMITS = ConnectionLimits(connect_s=60, call_s=60, idle_s=600)  # for tests that run into none of them
LIMITS = Limits(timeout_s=60.0, output_chars=10_000)
TIMEOUT_S = 120  # seconds; for requests that should take a fraction of it


class RecordingAgents(AgentServiceServicer):
    """Agents that remember what they were told. `state` is that of every agent; unset, agents cannot say."""

    def __init__(self, address: str) -> None:
        self.told: list[ApplyToolChangesRequest] = []
        self.state: dict[str, Any] | None = None
        self.written: list[ChangeMemoryRequest] = []
        self.was_told = asyncio.Event()
        self.address = address
        self._server: grpc.aio.Server | None = None

    async def ApplyToolChanges(self, request: ApplyToolChangesRequest, context: Any) -> ApplyToolChangesResponse:  # noqa: N802
        self.told.append(request)
        self.was_told.set()
        return ApplyToolChangesResponse()

    async def GetAgentState(self, request: GetAgentStateRequest, context: Any) -> GetAgentStateResponse:  # noqa: N802
        if self.state is None:
            raise Unavailable("Agents are busy.")
        return GetAgentStateResponse(json=orjson.dumps({"id": request.agent_id, **self.state}).decode())

    async def ChangeMemory(self, request: ChangeMemoryRequest, context: Any) -> ChangeMemoryResponse:  # noqa: N802
        if any(change.label == "locked" for change in request.changes):
            raise PermissionDenied("Block 'locked' is read-only.")
        self.written.append(request)
        return ChangeMemoryResponse()

    async def start(self) -> None:
        self._server = grpc.aio.server(interceptors=[ErrorInterceptor()])
        add_AgentServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)


class ScriptedModels:
    """Models that call the tool with what the script says, an item for each question."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.asked: list[Question] = []

    async def call(self, question: Question) -> str:
        self.asked.append(question)
        return self.script.pop(0)


class Api:
    """Calls of REST operations, as the gateway makes them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, method: str, body: Any = None, **query: Any) -> Any:
        request: Any = GetMessageClass(REST_METHODS[method].input_type)(**query)  # the RPC's own message
        if body is not None:
            request.body.data = orjson.dumps(body)
        rpc = self._channel.unary_unary(
            f"/{REST_METHODS[method].containing_service.full_name}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=HttpBody.FromString,
        )
        with rpc_errors():
            data = (await rpc(request, timeout=TIMEOUT_S)).data
        return orjson.loads(data) if data else None

    async def events(self, method: str, body: Any = None, **query: Any) -> AsyncIterator[Any]:
        """The JSON of each server-sent event of a streaming operation."""
        request: Any = GetMessageClass(REST_METHODS[method].input_type)(**query)  # the RPC's own message
        if body is not None:
            request.body.data = orjson.dumps(body)
        rpc = self._channel.unary_stream(
            f"/{REST_METHODS[method].containing_service.full_name}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=HttpBody.FromString,
        )
        async for chunk in rpc(request, timeout=TIMEOUT_S):
            if chunk.data.startswith(b"data: "):
                yield orjson.loads(chunk.data.removeprefix(b"data: "))


@pytest.fixture
def limits() -> Limits:
    """Those of calls; to be parametrized where a call is to run into them."""
    return LIMITS


@pytest.fixture
def mcp_limits() -> ConnectionLimits:
    """Those of MCP servers; to be parametrized as well."""
    return MCP_LIMITS


@pytest.fixture
async def sandbox(limits: Limits) -> AsyncIterator[Sandbox]:
    box = Sandbox(limits, SandboxOptions(concurrency=4))
    yield box
    await box.close()


@pytest.fixture
async def agents(tmp_path: Path) -> AsyncIterator[RecordingAgents]:
    service = RecordingAgents(f"unix:{tmp_path}/agents")  # type: ignore[abstract]  # tools call just these methods
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    engine = open_engine(postgres_url)
    yield Database(engine)
    await engine.dispose()


@pytest.fixture
async def agents_client(agents: RecordingAgents) -> AsyncIterator[AgentsClient]:
    async with open_channel(agents.address) as channel:
        yield AgentsClient(channel)


@pytest.fixture
def changes(database: Database, agents_client: AgentsClient) -> Changes:
    return Changes(database, PostgresOutbox(), PostgresTools(), agents_client)


@pytest.fixture
def secrets() -> SecretBox:
    return SecretBox({"key": Fernet(Fernet.generate_key())})


@pytest.fixture
async def sessions(database: Database, secrets: SecretBox) -> PostgresSessions:
    return PostgresSessions(database, secrets)


@pytest.fixture
async def remote(sessions: PostgresSessions, mcp_limits: ConnectionLimits) -> AsyncIterator[RemoteServers]:
    tokens = Tokens(sessions, AuthorizationServers(MCP_ALLOWED))
    servers = RemoteServers(MCP_ALLOWED, tokens, mcp_limits, BreakerLimits(failures=3, rest_s=5))
    yield servers
    await servers.close()


@pytest.fixture
async def builtins(sandbox: Sandbox) -> AsyncIterator[BuiltinCalls]:
    searches, pages = HttpSearch(), HttpPages(allow_private=False)
    accounts = [vendor.account for vendor in VENDORS.values()]
    yield BuiltinCalls(WebSearch(searches, accounts), pages, CodeRunner(sandbox, Allowance()))
    await searches.close()
    await pages.close()


@pytest.fixture
def models() -> ScriptedModels:
    return ScriptedModels()


@pytest.fixture
async def channel(
    tmp_path: Path,
    database: Database,
    changes: Changes,
    sandbox: Sandbox,
    remote: RemoteServers,
    sessions: PostgresSessions,
    secrets: SecretBox,
    builtins: BuiltinCalls,
    agents_client: AgentsClient,
    models: ScriptedModels,
) -> AsyncIterator[grpc.aio.Channel]:
    registry = Registry(database, PostgresTools(), PostgresOutbox(), changes)
    authorizing = Authorizing(sessions, AuthorizationServers(MCP_ALLOWED), PUBLIC_URL)
    servers = PostgresServers(secrets)
    calls = McpCalls(database, servers, remote)
    configs = SandboxConfigs(database, PostgresSandboxConfigs(secrets))
    execution = Execution(sandbox, calls, builtins, configs, agents_client)
    registration = Registration(database, servers, PostgresTools(), PostgresOutbox(), changes)
    mcp_servers = McpServers(database, servers, registration, remote=remote, authorizing=authorizing)
    operations = ToolOperations(
        registry,
        execution,
        servers=mcp_servers,
        registration=registration,
        calls=calls,
        authorizing=authorizing,
        configs=configs,
        generation=Generation(models),
    )
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    server.add_generic_rpc_handlers([rest_handlers(service, operations) for service in REST_SERVICES])
    add_ToolServiceServicer_to_server(ToolServicer(registry, execution, sandbox), server)
    server.add_insecure_port(f"unix:{tmp_path}/tools")
    await server.start()
    async with open_channel(f"unix:{tmp_path}/tools") as channel:
        yield channel
    await server.stop(None)


@pytest.fixture
def api(channel: grpc.aio.Channel) -> Api:
    return Api(channel)


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> ToolServiceStub:
    return ToolServiceStub(channel)


@pytest.fixture
def organization_id() -> str:
    """One that no other test uses."""
    return f"org-{uuid.uuid4()}"
