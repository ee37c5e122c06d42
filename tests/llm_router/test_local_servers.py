"""Servers on one's own machine say how large a context they serve."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from perdure.llm_router.v1.model_pb2 import Model
from tests.llm_router.conftest import serving

SHOWN = {
    "qwen3:8b": {
        "capabilities": ["completion", "tools", "thinking"],
        "model_info": {"qwen3.context_length": 40_960},
        "parameters": 'num_ctx                        16384\nstop "<|im_end|>"',
    },
    "llava:7b": {"capabilities": ["completion", "vision"], "model_info": {"llama.context_length": 131_072}},
    "gemma3:4b": {"capabilities": ["completion"], "model_info": {"gemma3.context_length": 131_072}},
    "nomic-embed-text:latest": {"capabilities": ["embedding"], "model_info": {"nomic-bert.embedding_length": 768}},
}


async def show(request: web.Request) -> web.Response:
    return web.json_response(SHOWN[(await request.json())["model"]])


async def list_installed(_: web.Request) -> web.Response:
    return web.json_response({"models": [{"name": name} for name in SHOWN]})


async def list_loaded(_: web.Request) -> web.Response:
    return web.json_response({"models": [{"name": "gemma3:4b", "context_length": 8_192}]})


async def list_downloaded(_: web.Request) -> web.Response:
    loaded = {"id": "qwen3-8b", "type": "llm", "max_context_length": 40_960, "loaded_context_length": 4_096}
    return web.json_response({"data": [loaded, {"id": "gemma-3", "type": "vlm", "max_context_length": 131_072}]})


async def list_served(_: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "Qwen/Qwen3-32B-Instruct", "max_model_len": 65_536}]})


async def list_nonsense(_: web.Request) -> web.Response:
    return web.json_response({"models": [{"title": "no name"}, 3]})


@pytest.fixture
async def address() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/api/show", show)
    app.router.add_get("/api/tags", list_installed)
    app.router.add_get("/api/ps", list_loaded)
    app.router.add_get("/api/v0/models", list_downloaded)
    app.router.add_get("/v1/models", list_served)
    app.router.add_get("/odd/v1/models", list_nonsense)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def listed(variable: str, address: str) -> dict[str, Model]:
    async with serving({"PERDURE_LISTEN": "unused", variable: address}) as channel:
        answer = await LlmRouterServiceStub(channel).ListModels(service.ListModelsRequest())
    return {model.handle: model for model in answer.models}


async def test_ollama_says_what_it_has_loaded_or_would_load(address: str) -> None:
    models = await listed("OLLAMA_BASE_URL", address)

    assert models["ollama/gemma3:4b"].context_window == 8_192
    assert models["ollama/qwen3:8b"].context_window == 16_384
    assert models["ollama/llava:7b"].context_window == 32_768
    assert models["ollama/llava:7b"].vision
    assert models["ollama/qwen3:8b"].reasoning
    assert "ollama/nomic-embed-text:latest" not in models


async def test_lm_studio_says_what_it_has_loaded(address: str) -> None:
    models = await listed("LMSTUDIO_BASE_URL", address)

    assert models["lmstudio/qwen3-8b"].context_window == 4_096
    assert models["lmstudio/gemma-3"].vision


async def test_vllm_says_how_long_a_prompt_may_be(address: str) -> None:
    models = await listed("VLLM_BASE_URL", address)

    assert models["vllm/Qwen/Qwen3-32B-Instruct"].context_window == 65_536


async def test_a_list_that_makes_no_sense_leaves_the_others_alone(address: str) -> None:
    variables = {"VLLM_BASE_URL": address, "OPENAI_COMPATIBLE_ODD_BASE_URL": f"{address}/odd"}

    async with serving({"PERDURE_LISTEN": "unused", **variables}) as channel:
        stub = LlmRouterServiceStub(channel)
        listed = await stub.ListModels(service.ListModelsRequest())
        trusted = await stub.ResolveModel(service.ResolveModelRequest(handle="odd/anything"))

    assert "vllm/Qwen/Qwen3-32B-Instruct" in {model.handle for model in listed.models}
    assert trusted.model.context_window > 0
