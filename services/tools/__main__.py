"""The tools service: `python -m services.tools`."""

from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial

import grpc

from perdure.tools.v1 import mcp_rest_pb2, sandbox_rest_pb2, tool_rest_pb2, tool_service_pb2
from perdure.tools.v1.tool_service_pb2_grpc import add_ToolServiceServicer_to_server
from services.common import server
from services.common.background import Background
from services.common.channels import open_channel
from services.common.config import Environment
from services.common.database import Database, open_engine
from services.common.rest import rest_handlers
from services.tools.builtin.calls import BuiltinCalls
from services.tools.builtin.clients.pages import HttpPages
from services.tools.builtin.clients.search import HttpSearch
from services.tools.builtin.code import CodeRunner
from services.tools.builtin.search import WebSearch
from services.tools.changes import Changes
from services.tools.clients import AgentsClient
from services.tools.config import Config
from services.tools.execution import Execution
from services.tools.generation.clients import RouterModels
from services.tools.generation.generation import Generation
from services.tools.mcp.breaker import BreakerLimits
from services.tools.mcp.calls import McpCalls
from services.tools.mcp.clients.authorization_servers import AuthorizationServers
from services.tools.mcp.clients.servers import RemoteServers
from services.tools.mcp.oauth.authorizing import Authorizing
from services.tools.mcp.oauth.store import PostgresSessions
from services.tools.mcp.oauth.tokens import Tokens
from services.tools.mcp.registration import Registration
from services.tools.mcp.servers import McpServers
from services.tools.mcp.store import PostgresServers
from services.tools.operations import ToolOperations
from services.tools.registry import Registry
from services.tools.sandbox.sandbox import Sandbox
from services.tools.sandbox.zygote import CannotStart
from services.tools.sandbox_configs.configs import SandboxConfigs
from services.tools.sandbox_configs.store import PostgresSandboxConfigs
from services.tools.servicer import ToolServicer
from services.tools.store.outbox import PostgresOutbox
from services.tools.store.tools import PostgresTools

REST = (mcp_rest_pb2, sandbox_rest_pb2, tool_rest_pb2)


@dataclass(frozen=True)
class Outside:
    """What this service works with, open until it ends."""

    database: Database
    agents: AgentsClient
    models: RouterModels
    sandbox: Sandbox
    authorizing: Authorizing
    remote: RemoteServers
    searches: HttpSearch
    pages: HttpPages


async def main() -> None:
    """Serves until told to stop. Raises `BrokenOff` where it stopped because a part of it broke off."""
    config = Config.read(Environment.current())
    async with AsyncExitStack() as stack:
        outside = await _open(config, stack)
        changes = Changes(outside.database, PostgresOutbox(), PostgresTools(), outside.agents)
        operations, servicer = _wire(config, outside, changes)
        background = await stack.enter_async_context(Background())
        background.begin("delivery of changes", changes.deliver_forever())
        add_services = partial(_add_services, operations, servicer)
        await server.serve(config.addresses.listen, add_services, broken=background.broken)


async def _open(config: Config, stack: AsyncExitStack) -> Outside:
    engine = open_engine(config.database_url)
    agents, router = open_channel(config.addresses.agents), open_channel(config.addresses.llm_router)
    database, authorization = Database(engine), AuthorizationServers(config.mcp_allowed)
    sessions = PostgresSessions(database, config.secrets)
    outside = Outside(
        database=database,
        agents=AgentsClient(agents),
        models=RouterModels(router),
        sandbox=Sandbox(config.limits, config.sandbox),
        authorizing=Authorizing(sessions, authorization, config.public_url),
        remote=RemoteServers(config.mcp_allowed, Tokens(sessions, authorization), config.mcp_limits, BreakerLimits()),
        searches=HttpSearch(),
        pages=HttpPages(allow_private=config.allow_private_fetch),
    )
    stack.push_async_callback(engine.dispose)
    for opened in (router, agents, outside.sandbox, outside.pages, outside.searches, outside.remote):
        stack.push_async_callback(opened.close)
    with suppress(CannotStart):  # the log says why; all but running tools works, and each call tries again
        await outside.sandbox.start()
    return outside


def _wire(config: Config, outside: Outside, changes: Changes) -> tuple[ToolOperations, ToolServicer]:
    database, tools, outbox = outside.database, PostgresTools(), PostgresOutbox()
    servers, configs = PostgresServers(config.secrets), SandboxConfigs(database, PostgresSandboxConfigs(config.secrets))
    calls = McpCalls(database, servers, outside.remote)
    web = WebSearch(outside.searches, config.search_accounts)
    builtins = BuiltinCalls(web, outside.pages, CodeRunner(outside.sandbox, config.programs))
    registry = Registry(database, tools, outbox, changes)
    execution = Execution(outside.sandbox, calls, builtins, configs, outside.agents)
    registration = Registration(database, servers, tools, outbox, changes)
    operations = ToolOperations(
        registry,
        execution,
        servers=McpServers(database, servers, registration, remote=outside.remote, authorizing=outside.authorizing),
        registration=registration,
        calls=calls,
        configs=configs,
        authorizing=outside.authorizing,
        generation=Generation(outside.models),
    )
    return operations, ToolServicer(registry, execution, outside.sandbox)


def _add_services(operations: ToolOperations, servicer: ToolServicer, grpc_server: grpc.aio.Server) -> Iterable[str]:
    rest = [service for file in REST for service in file.DESCRIPTOR.services_by_name.values()]
    grpc_server.add_generic_rpc_handlers([rest_handlers(service, operations) for service in rest])
    add_ToolServiceServicer_to_server(servicer, grpc_server)
    typed = tool_service_pb2.DESCRIPTOR.services_by_name["ToolService"]
    return [service.full_name for service in (*rest, typed)]


if __name__ == "__main__":
    server.run(main())
