"""One fake for each test, and the vendors' own SDKs pointed at it."""

from collections.abc import AsyncIterator

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from tests.fakes.provider import ProviderFake


@pytest.fixture
async def fake() -> AsyncIterator[ProviderFake]:
    async with ProviderFake() as server:
        yield server


@pytest.fixture
async def openai_sdk(fake: ProviderFake) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="key", base_url=fake.base_url("openai"), max_retries=0) as client:
        yield client


@pytest.fixture
async def zai_sdk(fake: ProviderFake) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="key", base_url=fake.base_url("zai"), max_retries=0) as client:
        yield client


@pytest.fixture
async def anthropic_sdk(fake: ProviderFake) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="key", base_url=fake.base_url("anthropic"), max_retries=0) as client:
        yield client


@pytest.fixture
async def gemini_sdk(fake: ProviderFake) -> AsyncIterator[genai.client.AsyncClient]:
    async with httpx2.AsyncClient(timeout=120.0) as http:
        options = types.HttpOptions(base_url=fake.base_url("gemini"), api_version="v1beta", httpx_async_client=http)
        async with genai.Client(api_key="key", http_options=options).aio as client:
            yield client
