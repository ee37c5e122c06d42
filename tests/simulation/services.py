"""The agents service in this process, with a router that summarises and tools of every kind."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
import orjson
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy.ext.asyncio import AsyncEngine

from perdure.conversation.v1.message_pb2 import Part
from perdure.conversation.v1.model_pb2 import TOOL_KIND_MEMORY, TOOL_KIND_SERVER, ToolDefinition
from perdure.llm_router.v1 import llm_router_service_pb2 as router_pb
from perdure.llm_router.v1.llm_router_service_pb2_grpc import add_LlmRouterServiceServicer_to_server
from perdure.tools.v1 import tool_service_pb2 as tools_pb
from perdure.tools.v1.tool_service_pb2_grpc import add_ToolServiceServicer_to_server
from services.agents.__main__ import wire
from services.common.channels import open_channel
from services.common.database import Database, open_engine
from services.common.errors import NotFound
from services.common.secrets import SecretBox
from tests.agents import neighbours
from tests.agents.service import OPERATIONS
from tests.simulation.in_process import Context, Handlers
from tests.simulation.vendors import CAREFUL, MEMORY, ONCE, SAFE


class Router(neighbours.Router):
    """Summarises in three words."""

    async def Complete(  # noqa: N802  # the name of the RPC
        self, request: router_pb.CompleteRequest, context: Any
    ) -> AsyncIterator[router_pb.CompleteResponse]:
        completion = router_pb.Completion(parts=[Part(text="a short summary")])
        yield router_pb.CompleteResponse(events=[router_pb.CompletionEvent(completion=completion)])


class Tools(neighbours.Tools):
    """Has the tools that the model knows."""

    async def DescribeTools(  # noqa: N802  # the name of the RPC
        self, request: tools_pb.DescribeToolsRequest, context: Any
    ) -> tools_pb.DescribeToolsResponse:
        names = {neighbours.tool_id(name): name for name in (ONCE, SAFE, CAREFUL, MEMORY)}
        wanted = [*request.tool_ids, *map(neighbours.tool_id, request.names)]
        if any(one not in names for one in wanted):
            raise NotFound("There is no such tool.")
        return tools_pb.DescribeToolsResponse(tools=[_definition(one, names[one]) for one in wanted])


def _definition(tool_id: str, name: str) -> ToolDefinition:
    return ToolDefinition(
        id=tool_id,
        version=1,
        name=name,
        description=f"what {name} does",
        parameters=orjson.dumps({"type": "object", "properties": {}}).decode(),
        kind=TOOL_KIND_MEMORY if name == MEMORY else TOOL_KIND_SERVER,
        requires_approval=name == CAREFUL,
        idempotent=name == SAFE,
    )


@dataclass(frozen=True)
class AgentsService:
    """The service's methods, and the database below them."""

    handlers: Handlers
    engine: AsyncEngine
    database: Database

    async def rest(self, method: str, body: Any = None, **query: Any) -> Any:  # Any: JSON
        """The JSON that a REST operation answers."""
        operation = OPERATIONS[method]
        request: Any = GetMessageClass(operation.input_type)(**query)  # Any: the RPC's own message
        if body is not None:
            request.body.data = orjson.dumps(body)
        handler = self.handlers.find(f"/{operation.containing_service.full_name}/{method}")
        answer: HttpBody = await handler.unary_unary(request.SerializeToString(), Context())
        return orjson.loads(answer.data) if answer.data else None


@asynccontextmanager
async def open_agents(postgres_url: str, folder: Path) -> AsyncIterator[AgentsService]:
    """The service, for the time of a block."""
    here = folder / uuid.uuid4().hex[:8]
    router, tools = Router(), Tools()  # type: ignore[abstract]  # they have what agents ask for
    servers = [
        await neighbours.serve(f"unix:{here}.llm", partial(add_LlmRouterServiceServicer_to_server, router)),
        await neighbours.serve(f"unix:{here}.tools", partial(add_ToolServiceServicer_to_server, tools)),
    ]
    channels = [open_channel(f"unix:{here}.{name}") for name in ("llm", "tools")]
    engine, handlers = open_engine(postgres_url), Handlers()
    database = Database(engine)
    list(wire(database, SecretBox({}), *channels).add_services(cast(grpc.aio.Server, handlers)))
    yield AgentsService(handlers, engine, database)
    for channel in channels:
        await channel.close()
    for server in servers:
        await server.stop(None)
    await engine.dispose()
