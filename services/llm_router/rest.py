"""The functions behind the router's REST operations."""

from collections.abc import Sequence

from perdure.llm_router.v1 import rest_pb2 as queries
from services.common.caller import Caller
from services.common.errors import NotFound
from services.contract import models as contract
from services.contract.providers import Provider
from services.llm_router.catalog import Catalog
from services.llm_router.model import EmbeddingModel, Model


class LlmRouterOperations:
    """LlmRouterRest."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list_models(self, caller: Caller, query: queries.ListModelsQuery, body: None) -> list[contract.Model]:
        """The language models that the query lets through."""
        return [_print_model(model) for model in await self._catalog.models() if _is_wanted(model, query)]

    async def list_embedding_models(
        self, caller: Caller, query: queries.ListEmbeddingModelsQuery, body: None
    ) -> list[contract.EmbeddingModel]:
        """The embedding models."""
        return [_print_embedding_model(model) for model in await self._catalog.embedding_models()]

    async def list_providers(self, caller: Caller, query: queries.ListProvidersQuery, body: None) -> Sequence[Provider]:
        """The providers that were created over the API: those of the environment are not among them.

        None can be created yet, so no cursor exists.
        """
        for cursor in filter(None, (query.before, query.after)):
            raise NotFound(f"Provider {cursor!r} not found.")
        return []


def _is_wanted(model: Model, query: queries.ListModelsQuery) -> bool:
    return (
        (not query.provider_category or model.provider_category in query.provider_category)
        and query.provider_name in ("", model.provider_name)
        and query.provider_type in ("", model.provider_type)
    )


def _print_model(model: Model) -> contract.Model:
    return contract.Model(
        handle=model.handle,
        name=model.name,
        display_name=model.name,
        provider_type=model.provider_type,
        provider_name=model.provider_name,
        model=model.name,
        model_endpoint_type=model.provider_type,
        model_endpoint=model.endpoint or None,
        provider_category=model.provider_category,
        context_window=model.context_window,
        put_inner_thoughts_in_kwargs=False,
        temperature=1.0,
        max_tokens=model.max_output_tokens,
        tier=model.tier or None,
        max_context_window=model.context_window,
    )


def _print_embedding_model(model: EmbeddingModel) -> contract.EmbeddingModel:
    return contract.EmbeddingModel(
        handle=model.handle,
        name=model.name,
        display_name=model.name,
        provider_type=model.provider_type,
        provider_name=model.provider_name,
        embedding_endpoint_type=model.provider_type,
        embedding_endpoint=model.endpoint or None,
        embedding_model=model.name,
        embedding_dim=model.dimensions,
        embedding_chunk_size=model.chunk_size,
        batch_size=model.batch_size,
    )
