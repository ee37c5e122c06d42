"""The router in this process, its providers pointed at a fake of the vendors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest

from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from services.common.config import Environment
from services.common.server import OPTIONS, ErrorInterceptor
from services.llm_router.__main__ import add_services
from services.llm_router.catalog import Catalog
from services.llm_router.config import RouterConfig
from services.llm_router.providers.opening import open_providers
from services.llm_router.router import Router
from tests.fakes.provider import ProviderFake


@pytest.fixture(scope="module")
async def shared_fake() -> AsyncIterator[ProviderFake]:
    async with ProviderFake() as server:
        yield server


@pytest.fixture
def fake(shared_fake: ProviderFake) -> ProviderFake:
    """The fake of the module, its traffic forgotten."""
    shared_fake.traffic.clear()
    return shared_fake


@pytest.fixture(scope="module")
def environment(shared_fake: ProviderFake) -> dict[str, str]:
    """The variables that point every vendor at the fake."""
    return {
        "PERDURE_LISTEN": "unused",
        "OPENAI_API_KEY": "key",
        "OPENAI_BASE_URL": shared_fake.url + "/openai",
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": shared_fake.base_url("anthropic"),
        "GEMINI_API_KEY": "key",
        "GEMINI_BASE_URL": shared_fake.base_url("gemini"),
        "ZAI_API_KEY": "key",
        "ZAI_BASE_URL": shared_fake.base_url("zai"),
        "OPENAI_COMPATIBLE_MINE_BASE_URL": shared_fake.base_url("compatible"),
    }


@asynccontextmanager
async def serving(variables: dict[str, str]) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a router with this configuration."""
    config = RouterConfig.read(Environment(variables))
    providers = open_providers(config)
    catalog = Catalog(providers)
    freshness = asyncio.create_task(catalog.keep_fresh())
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=OPTIONS)
    add_services(server, Router(catalog, config.deadlines, config.retries), catalog)
    with TemporaryDirectory() as folder:
        target = f"unix:{Path(folder) / 'router.sock'}"
        server.add_insecure_port(target)
        await server.start()
        async with grpc.aio.insecure_channel(target) as channel:
            yield channel
        await server.stop(0)
    freshness.cancel()
    for provider in providers:
        await provider.adapter.close()


@pytest.fixture(scope="module")
async def channel(environment: dict[str, str]) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(environment) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> LlmRouterServiceStub:
    return LlmRouterServiceStub(channel)
