"""The typed face of the router."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from grpc.aio import ServicerContext

from perdure.conversation.v1.message_pb2 import Usage
from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1 import llm_router_service_pb2_grpc as stubs
from services.common import telemetry
from services.llm_router.catalog import Catalog
from services.llm_router.conversions import to_embedding_model, to_model, to_response, to_vectors
from services.llm_router.router import Question, Router

Context = ServicerContext[Any, Any]  # the stubs' own parameters differ from one method to the next


class LlmRouterServicer(stubs.LlmRouterServiceServicer):
    """LlmRouterService."""

    def __init__(self, router: Router, catalog: Catalog) -> None:
        self._router = router
        self._catalog = catalog

    async def Complete(
        self, request: service.CompleteRequest, context: Context
    ) -> AsyncIterator[service.CompleteResponse]:
        """Asks a model and streams its answer."""
        telemetry.run_id.set(request.run_id)
        telemetry.step_id.set(request.step_id)
        model = await self._catalog.resolve(request.model)
        question = Question(
            messages=request.messages,
            tools=request.tools,
            settings=request.settings,
            tool_choice=request.tool_choice,
            cache_key=request.agent_id,
        )
        shown = to_model(replace(model, context_window=request.context_window or model.context_window))
        async with aclosing(self._router.complete(model, question)) as batches:
            async for events in batches:
                yield to_response(events, shown)

    async def Embed(self, request: service.EmbedRequest, context: Context) -> service.EmbedResponse:
        """Turns texts into vectors."""
        model = await self._catalog.resolve_embedding(request.model)
        vectors, tokens = await self._router.embed(model, request.texts)
        usage = Usage(prompt_tokens=tokens, total_tokens=tokens)
        return service.EmbedResponse(vectors=to_vectors(vectors), usage=usage)

    async def ResolveModel(
        self, request: service.ResolveModelRequest, context: Context
    ) -> service.ResolveModelResponse:
        """Says which model a handle means."""
        return service.ResolveModelResponse(model=to_model(await self._catalog.resolve(request.handle)))

    async def ResolveEmbeddingModel(
        self, request: service.ResolveEmbeddingModelRequest, context: Context
    ) -> service.ResolveEmbeddingModelResponse:
        """Says which embedding model a handle means."""
        model = await self._catalog.resolve_embedding(request.handle)
        return service.ResolveEmbeddingModelResponse(model=to_embedding_model(model))

    async def ListModels(self, request: service.ListModelsRequest, context: Context) -> service.ListModelsResponse:
        """Lists the models of all configured providers."""
        return service.ListModelsResponse(
            models=map(to_model, await self._catalog.models()),
            embedding_models=map(to_embedding_model, await self._catalog.embedding_models()),
        )
