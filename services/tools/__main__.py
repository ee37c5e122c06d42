"""The tools service: `python -m services.tools`."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import grpc

from perdure.tools.v1 import rest_pb2, tool_service_pb2
from perdure.tools.v1.tool_service_pb2_grpc import add_ToolServiceServicer_to_server
from services.common import server
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
from services.tools.mcp.store import ServerStore
from services.tools.operations import ToolOperations
from services.tools.registry import Registry
from services.tools.sandbox.sandbox import Sandbox
from services.tools.sandbox.zygote import CannotStart
from services.tools.sandbox_configs.configs import SandboxConfigs
from services.tools.sandbox_configs.store import SandboxConfigStore
from services.tools.servicer import ToolServicer
from services.tools.store.outbox import OutboxStore
from services.tools.store.tools import ToolStore


async def main() -> None:
    """Serves until told to stop."""
    config = Config.read(Environment.current())
    engine = open_engine(config.database_url)
    channel, router = open_channel(config.addresses.agents), open_channel(config.addresses.llm_router)
    database, tools, outbox = Database(engine), ToolStore(), OutboxStore()
    agents = AgentsClient(channel)
    changes = Changes(database, outbox, tools, agents)
    sandbox = Sandbox(config.limits, config.sandbox)
    with suppress(CannotStart):  # the log says why; all but running tools works, and each call tries again
        await sandbox.start()
    servers, sessions = ServerStore(config.secrets), PostgresSessions(database, config.secrets)
    authorization = AuthorizationServers(config.mcp_allowed)
    authorizing = Authorizing(sessions, authorization, config.public_url)
    remote = RemoteServers(config.mcp_allowed, Tokens(sessions, authorization), config.mcp_limits, BreakerLimits())
    calls = McpCalls(database, servers, remote)
    searches, pages = HttpSearch(), HttpPages(allow_private=config.allow_private_fetch)
    builtins = BuiltinCalls(WebSearch(searches, config.search_accounts), pages, CodeRunner(sandbox, config.programs))
    configs = SandboxConfigs(database, SandboxConfigStore(config.secrets))
    registry, execution = (
        Registry(database, tools, outbox, changes),
        Execution(sandbox, calls, builtins, configs, agents),
    )
    registration = Registration(database, servers, tools, outbox, changes)
    mcp_servers = McpServers(database, servers, registration, remote=remote, authorizing=authorizing)
    operations = ToolOperations(
        registry,
        execution,
        servers=mcp_servers,
        registration=registration,
        calls=calls,
        configs=configs,
        authorizing=authorizing,
        generation=Generation(RouterModels(router)),
    )
    add_services = partial(_add_services, operations, ToolServicer(registry, execution, sandbox))
    delivery = asyncio.create_task(changes.deliver_forever())
    try:
        await server.serve(config.addresses.listen, add_services)
    finally:
        delivery.cancel()
        with suppress(asyncio.CancelledError):
            await delivery
        await remote.close()
        await searches.close()
        await pages.close()
        await sandbox.close()
        await channel.close()
        await router.close()
        await engine.dispose()


def _add_services(operations: ToolOperations, servicer: ToolServicer, grpc_server: grpc.aio.Server) -> Iterable[str]:
    rest = rest_pb2.DESCRIPTOR.services_by_name["ToolRest"]
    grpc_server.add_generic_rpc_handlers([rest_handlers(rest, operations)])
    add_ToolServiceServicer_to_server(servicer, grpc_server)
    return [rest.full_name, tool_service_pb2.DESCRIPTOR.services_by_name["ToolService"].full_name]


if __name__ == "__main__":
    server.run(main())
