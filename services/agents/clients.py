"""The other services, as the domain wants them."""

from collections.abc import Mapping, Sequence

import grpc

from perdure.conversation.v1.message_pb2 import ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.llm_router.v1 import llm_router_service_pb2 as router
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from perdure.llm_router.v1.model_pb2 import EmbeddingModel, Model
from perdure.tools.v1 import tool_service_pb2 as tools
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.agents.agents.catalogs import ToolsNotFound, UnknownEmbedding
from services.common.channels import UNARY_TIMEOUT_S
from services.common.errors import Internal, NotFound
from services.common.status import rpc_errors
from services.contract.model_configs import EmbeddingConfig, LlmConfig
from services.contract.tools import Tool

EXECUTE_TIMEOUT_S = 3600.0  # seconds; the tools service has the finer deadlines
TOOLS_PER_CALL = 1000  # what ToolService.ListTools allows


class RouterModels:
    """The models that llm_router knows."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = LlmRouterServiceStub(channel)

    async def resolve(self, organization_id: str, handle: str) -> LlmConfig:
        """What the provider says of a model; see `catalogs.Models`."""
        request = router.ResolveModelRequest(organization_id=organization_id, handle=handle)
        with rpc_errors():
            response = await self._stub.ResolveModel(request, timeout=UNARY_TIMEOUT_S)
        return _llm_config(response.model)

    async def resolve_embedding(self, organization_id: str, handle: str) -> EmbeddingConfig:
        """What the provider says of an embedding model. Raises `UnknownEmbedding`."""
        request = router.ResolveEmbeddingModelRequest(organization_id=organization_id, handle=handle)
        try:
            with rpc_errors():
                response = await self._stub.ResolveEmbeddingModel(request, timeout=UNARY_TIMEOUT_S)
        except NotFound as exc:
            raise UnknownEmbedding(exc.detail, metadata=exc.metadata) from exc
        return _embedding_config(response.model)


def _llm_config(model: Model) -> LlmConfig:
    return LlmConfig.model_validate(
        {
            "model": model.name,
            "model_endpoint_type": model.provider_type,
            "model_endpoint": model.endpoint or None,
            "provider_name": model.provider_name,
            "provider_category": model.provider_category,
            "context_window": model.context_window,
            "handle": model.handle,
            "max_tokens": model.max_output_tokens or None,
            "enable_reasoner": model.reasoning,
            "tier": model.tier or None,
        }
    )


def _embedding_config(model: EmbeddingModel) -> EmbeddingConfig:
    return EmbeddingConfig(
        embedding_endpoint_type=model.provider_type,
        embedding_endpoint=model.endpoint or None,
        embedding_model=model.name,
        embedding_dim=model.dimensions,
        embedding_chunk_size=model.chunk_size,
        handle=model.handle,
        batch_size=model.batch_size,
    )


class RemoteToolRunner:
    """Runs tools in the tools service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ToolServiceStub(channel)

    async def run(
        self, organization_id: str, agent_id: str, tool_id: str, call: ToolCall, environment: Mapping[str, str]
    ) -> tuple[ToolReturn, str]:
        """The return of a call, and its value as JSON where it has that form. Raises `PerdureError`."""
        request = tools.ExecuteRequest(
            organization_id=organization_id,
            tool_id=tool_id,
            call_id=call.id,
            arguments=call.arguments,
            agent_id=agent_id,
            environment=environment,
        )
        with rpc_errors():
            async for event in self._stub.Execute(request, timeout=EXECUTE_TIMEOUT_S):
                if event.HasField("tool_return"):
                    return event.tool_return, event.result_json
        raise Internal(f"The call of {call.name} ended without a return.")


class RegisteredTools:
    """The tools that the tools service keeps."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ToolServiceStub(channel)

    async def describe(
        self, organization_id: str, tool_ids: Sequence[str], names: Sequence[str]
    ) -> list[ToolDefinition]:
        """The definitions. Raises `ToolsNotFound`."""
        request = tools.DescribeToolsRequest(organization_id=organization_id, tool_ids=tool_ids, names=names)
        try:
            with rpc_errors():
                response = await self._stub.DescribeTools(request, timeout=UNARY_TIMEOUT_S)
        except NotFound as exc:
            raise ToolsNotFound(exc.detail, metadata=exc.metadata) from exc
        return list(response.tools)

    async def show(self, organization_id: str, tool_ids: Sequence[str]) -> dict[str, Tool]:
        """The tools that exist, in their public form, by id."""
        shown: dict[str, Tool] = {}
        for start in range(0, len(tool_ids), TOOLS_PER_CALL):
            request = tools.ListToolsRequest(
                organization_id=organization_id,
                page_size=TOOLS_PER_CALL,
                tool_ids=tool_ids[start : start + TOOLS_PER_CALL],
            )
            with rpc_errors():
                response = await self._stub.ListTools(request, timeout=UNARY_TIMEOUT_S)
            shown |= {tool.definition.id: Tool.model_validate_json(tool.json) for tool in response.tools}
        return shown
