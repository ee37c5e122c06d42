"""Texts to vectors."""

import math

import grpc
import pytest

from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from services.common.status import read_error
from tests.fakes.provider import ProviderFake


async def embed(stub: LlmRouterServiceStub, model: str, *texts: str) -> list[list[float]]:
    answer = await stub.Embed(service.EmbedRequest(model=model, texts=texts))
    return [list(vector.values) for vector in answer.vectors]


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [("openai/text-embedding-3-small", 1536), ("google_ai/gemini-embedding-001", 3072), ("perdure/hash", 256)],
)
async def test_each_text_has_its_vector_in_order(stub: LlmRouterServiceStub, model: str, dimensions: int) -> None:
    texts = [f"text {number}" for number in range(230)]

    vectors = await embed(stub, model, *texts)
    alone = await embed(stub, model, texts[170])

    assert len(vectors) == 230
    assert {len(vector) for vector in vectors} == {dimensions}
    assert vectors[170] == pytest.approx(alone[0])


async def test_no_texts_have_no_vectors(stub: LlmRouterServiceStub) -> None:
    assert await embed(stub, "openai/text-embedding-3-small") == []


async def test_the_tokens_used_are_counted(stub: LlmRouterServiceStub) -> None:
    answer = await stub.Embed(service.EmbedRequest(model="openai/text-embedding-3-small", texts=["some words"]))

    assert answer.usage.prompt_tokens > 0


async def test_embedding_is_repeated_when_it_fails_for_a_moment(stub: LlmRouterServiceStub, fake: ProviderFake) -> None:
    await stub.ListModels(service.ListModelsRequest())
    fake.steering.script("status=500", api="embeddings")

    assert len(await embed(stub, "openai/text-embedding-3-small", "once more")) == 1


async def test_an_embedding_model_resolves_with_its_dimensions(stub: LlmRouterServiceStub) -> None:
    request = service.ResolveEmbeddingModelRequest(handle="openai/text-embedding-3-large")

    assert (await stub.ResolveEmbeddingModel(request)).model.dimensions == 3072


@pytest.mark.parametrize("handle", ["openai/no-such-embedding", "anthropic/claude-haiku-4-5", "nobody/nothing"])
async def test_an_unknown_embedding_model_is_not_found(stub: LlmRouterServiceStub, handle: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.ResolveEmbeddingModel(service.ResolveEmbeddingModelRequest(handle=handle))

    assert read_error(raised.value).reason == "MODEL_NOT_FOUND"


async def test_texts_with_words_in_common_are_near(stub: LlmRouterServiceStub) -> None:
    cat, kitten, tax = await embed(stub, "perdure/hash", "the cat sleeps", "the cat eats", "income tax return")

    assert math.dist(cat, kitten) < math.dist(cat, tax)
