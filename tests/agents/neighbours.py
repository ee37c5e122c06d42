"""The router and the tools service as their typed RPCs show them: they know all but what is named "absent" or "no…"."""

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import orjson

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_SUCCESS, ToolReturn
from perdure.conversation.v1.model_pb2 import TOOL_KIND_MEMORY, TOOL_KIND_SERVER, ToolDefinition
from perdure.llm_router.v1 import llm_router_service_pb2 as router
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceServicer
from perdure.llm_router.v1.model_pb2 import EmbeddingModel, Model
from perdure.tools.v1 import tool_service_pb2 as tools
from perdure.tools.v1.tool_pb2 import Tool
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceServicer
from services.common.errors import InvalidArgument, NotFound, Unavailable
from services.common.server import OPTIONS, ErrorInterceptor
from services.contract.tools import Tool as PublicTool
from tests.fakes.provider.embedding import embed

ENDPOINT = "http://models.test"
DIMENSIONS = 1536  # of every embedding model
UNEMBEDDABLE = "unembeddable"  # texts with this word get no vectors
_REASONING = ("gpt-5", "claude-sonnet-4-5-20250929", "gemini-2.5-pro", "glm-4.6")
_OUTPUT = {"google_ai": 65_536}  # tokens


class Router(LlmRouterServiceServicer):
    """Knows every handle whose name does not begin with "no"; "…/broken" never makes vectors, "…/short" short ones."""

    async def ResolveModel(self, request: router.ResolveModelRequest, context: Any) -> router.ResolveModelResponse:  # noqa: N802
        provider, name = _split(request.handle)
        return router.ResolveModelResponse(
            model=Model(
                handle=request.handle,
                name=name,
                provider_name=provider,
                provider_type=provider,
                provider_category="base",
                endpoint=ENDPOINT,
                context_window=200_000,
                max_output_tokens=_OUTPUT.get(provider, 16_384),
                reasoning=name in _REASONING,
            )
        )

    async def ResolveEmbeddingModel(  # noqa: N802
        self, request: router.ResolveEmbeddingModelRequest, context: Any
    ) -> router.ResolveEmbeddingModelResponse:
        provider, name = _split(request.handle)
        return router.ResolveEmbeddingModelResponse(
            model=EmbeddingModel(
                handle=request.handle,
                name=name,
                provider_name=provider,
                provider_type=provider,
                endpoint=ENDPOINT,
                dimensions=DIMENSIONS,
                chunk_size=300,
                batch_size=32,
            )
        )

    async def Embed(self, request: router.EmbedRequest, context: Any) -> router.EmbedResponse:  # noqa: N802
        _, name = _split(request.model)
        if name == "broken" or any(UNEMBEDDABLE in text for text in request.texts):
            raise Unavailable(f"{request.model} is overloaded")
        dimensions = 8 if name == "short" else DIMENSIONS
        vectors = [router.Vector(values=embed(text, dimensions)) for text in request.texts]
        return router.EmbedResponse(vectors=vectors)


def _split(handle: str) -> tuple[str, str]:
    provider, slash, name = handle.partition("/")
    if not slash:
        raise InvalidArgument(f"{handle} has no slash")
    if name.startswith("no"):
        raise NotFound(f"{handle} was not found")
    return provider, name


class Tools(ToolServiceServicer):
    """Has every tool whose name or id does not contain "absent" or "dead".

    "careful…" want approval by default, and those in `careful`. "server…" run here and answer what they got; all others
    run in the agents service.
    """

    def __init__(self) -> None:
        self.careful: set[str] = set()

    async def DescribeTools(self, request: tools.DescribeToolsRequest, context: Any) -> tools.DescribeToolsResponse:  # noqa: N802
        missing = [word for word in (*request.tool_ids, *request.names) if "absent" in word or "dead" in word]
        if missing:
            raise NotFound(f"There is no {missing[0]}")
        return tools.DescribeToolsResponse(tools=self._definitions(request.tool_ids, request.names))

    async def ListTools(self, request: tools.ListToolsRequest, context: Any) -> tools.ListToolsResponse:  # noqa: N802
        shown = [Tool(definition=one, json=_public(one)) for one in self._definitions(request.tool_ids, [])]
        return tools.ListToolsResponse(tools=shown)

    async def GetSandbox(self, request: tools.GetSandboxRequest, context: Any) -> tools.GetSandboxResponse:  # noqa: N802
        return tools.GetSandboxResponse(layers=["landlock 7", "seccomp"], are_enough=True)

    async def Execute(self, request: tools.ExecuteRequest, context: Any) -> AsyncIterator[tools.ExecuteResponse]:  # noqa: N802
        got = {
            "args": orjson.loads(request.arguments),
            "env": dict(request.environment),
            "agent": request.agent_id,
        }
        text = orjson.dumps(got).decode()
        yield tools.ExecuteResponse(stdout="echoed\n")
        ended = ToolReturn(call_id=request.call_id, status=TOOL_STATUS_SUCCESS, value=text, stdout=["echoed\n"])
        yield tools.ExecuteResponse(tool_return=ended, result_json=text)

    def _definitions(self, tool_ids: Sequence[str], names: Sequence[str]) -> list[ToolDefinition]:
        wanted = dict.fromkeys([*tool_ids, *map(tool_id, names)])
        return [self._definition(one, _names.get(one, one)) for one in wanted]

    def _definition(self, tool_id: str, name: str) -> ToolDefinition:
        return ToolDefinition(
            id=tool_id,
            version=1,
            name=name,
            description=f"what {name} does",
            parameters=orjson.dumps({"type": "object", "properties": {}}).decode(),
            kind=TOOL_KIND_SERVER if name.startswith("server") else TOOL_KIND_MEMORY,
            requires_approval=name.startswith("careful") or name in self.careful,
        )


_names: dict[str, str] = {}  # of tools, by id


def tool_id(name: str) -> str:
    """The id of the tool of this name."""
    made = f"tool-{uuid.UUID(int=uuid.uuid5(uuid.NAMESPACE_OID, name).int, version=4)}"
    _names[made] = name
    return made


def _public(definition: ToolDefinition) -> str:
    return PublicTool(id=definition.id, name=definition.name).model_dump_json()


async def serve(address: str, add_services: Any) -> grpc.aio.Server:
    """A started server at a unix socket."""
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=OPTIONS)
    add_services(server)
    server.add_insecure_port(address)
    await server.start()
    return server
