"""The router's REST operations."""

import grpc
import orjson
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message

from perdure.llm_router.v1 import rest_pb2 as queries


async def call(channel: grpc.aio.Channel, operation: str, query: Message) -> list[dict[str, object]]:
    method: grpc.aio.UnaryUnaryMultiCallable[Message, HttpBody] = channel.unary_unary(
        f"/perdure.llm_router.v1.LlmRouterRest/{operation}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=HttpBody.FromString,
    )
    answered: list[dict[str, object]] = orjson.loads((await method(query)).data)
    return answered


async def test_models_are_a_bare_list_with_handles_and_windows(channel: grpc.aio.Channel) -> None:
    models = await call(channel, "ListModels", queries.ListModelsQuery())

    mini = next(model for model in models if model["handle"] == "openai/gpt-4o-mini")
    assert mini["model_endpoint_type"] == mini["provider_type"] == mini["provider_name"] == "openai"
    assert mini["max_context_window"] == mini["context_window"] == 128_000
    assert mini["max_tokens"] == 16_384


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (queries.ListModelsQuery(provider_name="anthropic"), {"anthropic"}),
        (queries.ListModelsQuery(provider_type="openai"), {"openai", "mine"}),
        (queries.ListModelsQuery(provider_category=["byok"]), set()),
    ],
)
async def test_models_are_filtered_by_provider(
    channel: grpc.aio.Channel, query: queries.ListModelsQuery, names: set[str]
) -> None:
    assert {model["provider_name"] for model in await call(channel, "ListModels", query)} == names


async def test_embedding_models_have_their_dimensions(channel: grpc.aio.Channel) -> None:
    models = await call(channel, "ListEmbeddingModels", queries.ListEmbeddingModelsQuery())

    assert {model["handle"]: model["embedding_dim"] for model in models}["openai/text-embedding-3-small"] == 1536


async def test_no_provider_was_created_over_the_api(channel: grpc.aio.Channel) -> None:
    assert await call(channel, "ListProviders", queries.ListProvidersQuery()) == []


@pytest.mark.parametrize(
    "query", [queries.ListProvidersQuery(before="provider-1"), queries.ListProvidersQuery(after="provider-1")]
)
async def test_a_cursor_that_does_not_exist_is_not_found(
    channel: grpc.aio.Channel, query: queries.ListProvidersQuery
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(channel, "ListProviders", query)

    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
