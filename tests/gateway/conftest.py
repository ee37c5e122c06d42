import random
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
import pytest_asyncio

from services.cli.data_dir import open_data_dir
from services.cli.embedded.envoy import EmbeddedEnvoy
from services.cli.embedded.gateway_config import Gateway
from services.cli.process import Process, wait_until
from services.cli.stack import READY_TIMEOUT_S
from tests.gateway.scripted_services import ScriptedServices

SERVICES = ("agents", "runs", "llm_router", "tools")


def free_port() -> int:
    """One that stays free until it is used: the kernel gives higher ones to connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest_asyncio.fixture(scope="session")
async def scripted_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, ScriptedServices]]:
    services = ScriptedServices()
    with open_data_dir(tmp_path_factory.mktemp("gateway")) as data_dir:
        target = f"unix:{data_dir.sockets}/services/all.sock"
        missing = f"unix:{data_dir.sockets}/services/missing.sock"
        server = await services.listen(target)
        targets = {name: [target] for name in SERVICES} | {"tools": [missing]}
        port = free_port()
        envoy = EmbeddedEnvoy(data_dir, port, Gateway(f"127.0.0.1:{port}", targets))
        process = Process(envoy.command(), print)
        await process.start()
        url = f"http://127.0.0.1:{port}"
        await wait_until(lambda: answers(url), [process], timeout_s=READY_TIMEOUT_S)
        yield url, services
        await process.stop()
        await server.stop(grace=None)


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{url}/v1/agents/count")).status_code != httpx.codes.SERVICE_UNAVAILABLE
        except httpx.TransportError:
            return False


@pytest.fixture
def services(scripted_gateway: tuple[str, ScriptedServices]) -> ScriptedServices:
    scripted_gateway[1].answers.clear()
    return scripted_gateway[1]


@pytest_asyncio.fixture
async def client(scripted_gateway: tuple[str, ScriptedServices]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=scripted_gateway[0], timeout=60, trust_env=False) as client:
        yield client
