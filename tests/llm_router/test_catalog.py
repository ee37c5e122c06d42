"""Which models a handle can mean."""

import grpc
import pytest

from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from perdure.llm_router.v1.model_pb2 import Model
from services.common.status import read_error
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import ask, question
from tests.llm_router.conftest import serving


async def resolve(stub: LlmRouterServiceStub, handle: str) -> Model:
    return (await stub.ResolveModel(service.ResolveModelRequest(handle=handle))).model


async def reason_of_refusal(stub: LlmRouterServiceStub, handle: str) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await resolve(stub, handle)
    return read_error(raised.value).reason


@pytest.mark.parametrize(
    ("handle", "context_window", "reasoning", "vision"),
    [
        ("openai/gpt-4o-mini", 128_000, False, True),
        ("openai/gpt-4.1-2025-04-14", 1_047_576, False, True),
        ("openai/gpt-5", 272_000, True, True),
        ("anthropic/claude-sonnet-4-5-20250929", 200_000, True, True),
        ("google_ai/gemini-2.5-pro", 1_048_576, True, True),
        ("zai/glm-4.6", 200_000, True, False),
        ("perdure/echo", 32_768, False, False),
    ],
)
async def test_a_handle_resolves_to_what_is_known_of_the_model(
    stub: LlmRouterServiceStub, handle: str, context_window: int, reasoning: bool, vision: bool
) -> None:
    model = await resolve(stub, handle)

    assert model.handle == handle
    assert model.provider_name == handle.partition("/")[0]
    assert (model.context_window, model.reasoning, model.vision) == (context_window, reasoning, vision)
    assert model.max_output_tokens > 0


@pytest.mark.parametrize("handle", ["openai/gpt-4o-2024-08-06", "anthropic/claude-haiku-4-5", "zai/glm-4.5v"])
async def test_a_variant_of_a_known_model_need_not_be_listed(stub: LlmRouterServiceStub, handle: str) -> None:
    assert (await resolve(stub, handle)).handle == handle


async def test_an_open_provider_is_trusted_to_have_any_model(stub: LlmRouterServiceStub) -> None:
    assert (await resolve(stub, "mine/some/model:tag")).name == "some/model:tag"


@pytest.mark.parametrize("handle", ["openai/../files", "openai/a b", "openai/a?b", "openai/" + "x" * 201])
async def test_what_can_be_no_model_is_not_asked_for(stub: LlmRouterServiceStub, handle: str) -> None:
    assert await reason_of_refusal(stub, handle) == "MALFORMED_HANDLE"


@pytest.mark.parametrize("handle", ["openai/no-such-model", "anthropic/no-such-model", "google_ai/nope", "perdure/no"])
async def test_a_model_that_its_provider_does_not_know_is_not_found(stub: LlmRouterServiceStub, handle: str) -> None:
    assert await reason_of_refusal(stub, handle) == "MODEL_NOT_FOUND"


async def test_a_model_of_a_provider_that_is_not_configured_is_not_found(stub: LlmRouterServiceStub) -> None:
    assert await reason_of_refusal(stub, "groq/llama") == "MODEL_NOT_FOUND"


@pytest.mark.parametrize("handle", ["gpt-4o", "openai/", "/gpt-4o", ""])
async def test_a_handle_has_a_provider_and_a_name(stub: LlmRouterServiceStub, handle: str) -> None:
    assert await reason_of_refusal(stub, handle) == "MALFORMED_HANDLE"


async def test_a_handle_is_trusted_while_the_providers_list_cannot_be_had(
    environment: dict[str, str], fake: ProviderFake
) -> None:
    async with serving({**environment, "OPENAI_BASE_URL": fake.url + "/nowhere"}) as channel:
        model = await resolve(LlmRouterServiceStub(channel), "openai/no-such-model")

    assert model.context_window > 0


async def test_models_of_all_providers_are_listed(stub: LlmRouterServiceStub) -> None:
    listed = await stub.ListModels(service.ListModelsRequest())

    handles = {model.handle for model in listed.models}
    assert {"perdure/echo", "openai/gpt-4o", "google_ai/gemini-2.5-pro", "zai/glm-4.6"} < handles
    assert not any("embedding" in handle or "whisper" in handle for handle in handles)
    dimensions = {model.handle: model.dimensions for model in listed.embedding_models}
    assert dimensions["openai/text-embedding-3-small"] == 1536


async def test_a_given_context_window_wins(stub: LlmRouterServiceStub) -> None:
    heard = await ask(stub, question("perdure/echo", "Hello", context_window=9_000))

    assert heard.completion.model.context_window == 9_000
