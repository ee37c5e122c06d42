"""One whole stack for all these tests: two replicas of runs, every vendor a fake."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import httpx
import pytest
from letta_client import AsyncLetta
from letta_client.types import AgentState

from services.cli.stack import Stack, StackOptions
from tests.conftest import open_to_postgres
from tests.e2e.vendors import Vendors
from tests.fakes.process import fake_provider
from tests.gateway.conftest import free_port

MakeAgent = Callable[..., Awaitable[AgentState]]
TOOL_TIMEOUT_S = 15.0  # seconds; enough for every tool here but the one that is to run into it, on a busy machine too
TIMEOUT_S = 120.0  # seconds; for requests that should take a fraction of it


@pytest.fixture(scope="session")
async def vendors_url() -> AsyncIterator[str]:
    async with fake_provider(kept=1000) as url:
        yield url


@pytest.fixture(scope="session")
async def stack(vendors_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    data_dir = open_to_postgres(tmp_path_factory.mktemp("stack")) / "data"
    options = StackOptions(data_dir, free_port(), _environment(vendors_url), replicas={"runs": 2})
    async with Stack(options) as started:
        yield started


def _environment(vendors_url: str) -> dict[str, str]:
    providers = {
        "OPENAI": f"{vendors_url}/openai/v1",
        "ANTHROPIC": f"{vendors_url}/anthropic",
        "GEMINI": f"{vendors_url}/gemini",
        "ZAI": f"{vendors_url}/zai",
        "OPENAI_COMPATIBLE_LOCAL": f"{vendors_url}/compatible/v1",
    }
    urls = {f"{name}_BASE_URL": url for name, url in providers.items()}
    keys = {f"{name}_API_KEY": "key" for name in providers}
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    limits = {"PERDURE_TOOL_TIMEOUT_S": str(TOOL_TIMEOUT_S), "PERDURE_MCP_CONNECT_TIMEOUT_S": str(TIMEOUT_S)}
    return {**own, **urls, **keys, **limits}


@pytest.fixture(scope="session")
async def client(stack: Stack) -> AsyncIterator[AsyncLetta]:
    async with AsyncLetta(base_url=stack.url, timeout=TIMEOUT_S) as sdk:
        yield sdk


@pytest.fixture(scope="session")
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP, without the SDK's headers and retries."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=TIMEOUT_S, trust_env=False) as opened:
        yield opened


@pytest.fixture(scope="session")
async def channel(stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(stack.url.removeprefix("http://")) as opened:
        yield opened


@pytest.fixture(scope="session")
async def vendors(vendors_url: str) -> AsyncIterator[Vendors]:
    async with httpx.AsyncClient(base_url=vendors_url, timeout=TIMEOUT_S, trust_env=False) as opened:
        yield Vendors(opened)


@pytest.fixture
async def make_agent(client: AsyncLetta) -> AsyncIterator[MakeAgent]:
    """Makes agents without tools of their own; deletes them after the test."""
    made = []

    async def make(model: str = "openai/gpt-4o-mini", **options: Any) -> AgentState:  # Any: the SDK's options
        agent = await client.agents.create(model=model, include_base_tools=False, **options)
        made.append(agent.id)
        return agent

    yield make
    for agent_id in made:
        await client.agents.delete(agent_id)


@pytest.fixture
async def agent(make_agent: MakeAgent) -> AgentState:
    return await make_agent()


@pytest.fixture
def word() -> str:
    """A word that nobody else says: finds a test's own requests among all that the vendors received."""
    return f"word{uuid.uuid4().hex[:12]}"
