"""A whole stack to attack: two replicas of every service behind Envoy, a slow fake of the model vendors."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import asyncpg
import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from letta_client import AsyncLetta

from services.cli.stack import SERVICES, Stack, StackOptions
from services.common.redis import connect
from tests.chaos.scale import Scale
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.waiting import eventually
from tests.fakes.process import fake_provider
from tests.gateway.conftest import free_port

_ADDRESS_OF_OWNER = "SELECT address FROM runs.replicas JOIN runs.runs USING (owner) WHERE runs.id = $1"
REPLICAS = 2  # of each service
KEPT_REQUESTS = 20_000  # that the fake of the vendors remembers
TIMEOUT_S = 60.0  # seconds; what the SDK waits by itself
RECOVERY_S = 300.0  # seconds within which every process answers again


@dataclass
class Arena:
    """The stack, ways in, and hands on its processes. `random` decides times and victims."""

    stack: Stack
    sdk: AsyncLetta
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    vendors: Vendors
    tool_id: str
    scale: Scale
    random: Random

    @property
    def service_processes(self) -> Sequence[str]:
        """The names of all processes of services."""
        return [name for name in self.stack.processes if name.partition("-")[0] in SERVICES]

    def send(self, name: str, number: signal.Signals) -> None:
        """A signal to a process."""
        try:
            os.kill(self.stack.processes[name].pid, number)
        except ProcessLookupError:
            return  # it died of an earlier attack and is about to come back

    def kill(self, name: str) -> None:
        """Ends a process as a crash does."""
        self.send(name, signal.SIGKILL)

    @asynccontextmanager
    async def without(self, name: str) -> AsyncIterator[None]:
        """A process that is not there for the time of a block."""
        process = self.stack.processes[name]
        await process.stop()
        try:
            yield
        finally:
            await process.start()
            process.keep_running()

    async def forget_redis(self) -> None:
        """Makes Redis forget everything."""
        redis = connect(self.stack.environment["REDIS_URL"])
        await redis.flushall()
        await redis.aclose()

    async def owner_of(self, run_id: str) -> str:
        """The process that carries a run out."""
        connection = await asyncpg.connect(self.stack.environment["DATABASE_URL"])
        try:
            address = await connection.fetchval(_ADDRESS_OF_OWNER, run_id)
        finally:
            await connection.close()
        number = self.stack.targets["runs"].index(address)
        return "runs" if number == 0 else f"runs-{number + 1}"

    async def make_agent(self, tool_id: str = "") -> str:
        """An agent with one tool. Asked for until it is there: attacks may be under way."""
        tools = [tool_id or self.tool_id]
        options = {"model": "openai/gpt-4o-mini", "include_base_tools": False, "tool_ids": tools}
        while True:
            answer = await self.http.post("/v1/agents/", json=options)
            if answer.is_success:
                return str(answer.json()["id"])
            await asyncio.sleep(0.2)

    async def until_whole(self) -> None:
        """Until every replica answers again, and the gateway knows."""
        for target in (target for replicas in self.stack.targets.values() for target in replicas):
            async with grpc.aio.insecure_channel(target) as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                await eventually(lambda stub=stub: _is_serving(stub), RECOVERY_S)  # type: ignore[misc]
        await eventually(self._is_healthy, RECOVERY_S)

    async def _is_healthy(self) -> bool:
        return (await self.http.get("/healthz")).is_success


async def _is_serving(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@asynccontextmanager
async def open_arena(folder: Path, scale: Scale) -> AsyncIterator[Arena]:
    """A stack of its own for the attacks."""
    async with fake_provider(KEPT_REQUESTS) as vendors_url:
        options = StackOptions(folder, free_port(), _environment(vendors_url), dict.fromkeys(SERVICES, REPLICAS))
        async with (
            Stack(options) as stack,
            AsyncLetta(base_url=stack.url, timeout=TIMEOUT_S) as sdk,
            httpx.AsyncClient(base_url=stack.url, timeout=TIMEOUT_S, trust_env=False) as http,
            grpc.aio.insecure_channel(stack.url.removeprefix("http://")) as channel,
            httpx.AsyncClient(base_url=vendors_url, timeout=TIMEOUT_S, trust_env=False) as vendors,
        ):
            tool = await sdk.tools.upsert(source_code=ROLL_DICE)
            yield Arena(stack, sdk, http, channel, Vendors(vendors), tool.id, scale, Random(scale.seed))


def _environment(vendors_url: str) -> dict[str, str]:
    own = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return {**own, "OPENAI_API_KEY": "key", "OPENAI_BASE_URL": f"{vendors_url}/openai/v1"}


@contextmanager
def timed(figures: dict[str, object], name: str) -> Iterator[None]:
    """Notes how long a block took, in seconds."""
    began = time.monotonic()
    yield
    figures[name] = round(time.monotonic() - began, 1)
