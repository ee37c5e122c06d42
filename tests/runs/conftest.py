"""Replicas of the runs service in this process, with real Postgres and Redis and fakes of the other services."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from perdure.agents.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from perdure.agents.v1.turn_service_pb2_grpc import add_TurnServiceServicer_to_server
from perdure.llm_router.v1.llm_router_service_pb2_grpc import add_LlmRouterServiceServicer_to_server
from perdure.runs.v1.run_pb2 import RunEvent
from perdure.runs.v1.run_service_pb2_grpc import add_RunServiceServicer_to_server
from perdure.tools.v1.tool_service_pb2_grpc import add_ToolServiceServicer_to_server
from services.common.channels import open_channel
from services.common.config import Environment
from services.common.database import open_engine
from services.common.ids import new_id
from services.common.redis import connect
from services.common.server import ErrorInterceptor
from services.runs.__main__ import Channels, Process
from services.runs.config import Config
from services.runs.limits import Limits
from services.runs.records import Run, RunRequest
from services.runs.servicer import RunServicer
from tests.runs.fake_services import FakeAgents, FakeRouter, FakeTools, user

LIMITS = Limits(slots=100)
TIMEOUT_S = 120  # seconds; far more than anything takes that works, on the slowest machine too
ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"


@dataclass
class Replica:
    """One process of the service, as far as one can be in a test."""

    process: Process
    engine: AsyncEngine

    @property
    def runs(self) -> Any:
        return self.process.runs

    async def die(self) -> None:
        """Ends as a killed process does: nothing is told to anybody."""
        await self.process.abandon()

    async def watch(self, run_id: str, after_seq: int = 0) -> list[RunEvent]:
        async with asyncio.timeout(TIMEOUT_S):
            return [event async for batch in self.runs.watch(ORGANIZATION, run_id, after_seq) for event in batch]

    async def hear(self, run_id: str, seq: int) -> None:
        """Until the event of this number is shown."""
        async with asyncio.timeout(TIMEOUT_S):
            async for batch in self.runs.watch(ORGANIZATION, run_id, 0):
                if batch[-1].seq >= seq:
                    return

    async def wait_for(self, run_id: str, until: Callable[[Run], bool]) -> Run:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                run: Run = await self.runs.get(ORGANIZATION, run_id)
                if until(run):
                    return run
                await asyncio.sleep(0.02)


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


async def declare_dead(replica: Replica) -> None:
    """As if no process had stamped for a minute; those that live stamp again at once."""
    async with replica.engine.begin() as connection:
        await connection.execute(text("UPDATE runs.replicas SET heartbeat_at = heartbeat_at - interval '1 minute'"))


@dataclass
class World:
    """The other services and the replicas."""

    agents: FakeAgents
    router: FakeRouter
    tools: FakeTools
    channel: grpc.aio.Channel
    postgres_url: str
    redis_url: str
    sockets: Path
    stack: AsyncExitStack
    conversation: str = field(default_factory=lambda: new_id("conv"))

    async def replica(
        self,
        *,
        limits: Limits = LIMITS,
        with_redis: bool = True,
        allow_private_callbacks: bool = True,
        agent_reply_timeout_s: float = TIMEOUT_S,
    ) -> Replica:
        engine = open_engine(self.postgres_url, pool_size=5)
        self.stack.push_async_callback(engine.dispose)
        redis = connect(self.redis_url) if with_redis else None
        if redis is not None:
            self.stack.push_async_callback(redis.aclose)
        address = f"unix:{self.sockets}/{uuid.uuid4().hex}"
        channels = Channels(self.channel, self.channel, self.channel)
        config = replace(
            Config.read(Environment({"PERDURE_LISTEN": address, "DATABASE_URL": self.postgres_url})),
            limits=limits,
            allow_private_callbacks=allow_private_callbacks,
            agent_reply_timeout_s=agent_reply_timeout_s,
        )
        process = Process(config, engine, channels, redis)
        await process.start()
        self.stack.push_async_callback(process.abandon)
        await self._serve(process, address)
        return Replica(process, engine)

    async def _serve(self, process: Process, address: str) -> None:
        """Lets the other replicas follow the runs of this one."""
        server = grpc.aio.server(interceptors=[ErrorInterceptor()])
        add_RunServiceServicer_to_server(RunServicer(process.runs), server)
        server.add_insecure_port(address)
        await server.start()
        self.stack.push_async_callback(server.stop, 0)

    def request(self, text: str = "hello", **fields: Any) -> RunRequest:
        values = {"conversation_id": self.conversation, "input": (user(text),), **fields}
        return RunRequest(organization_id=ORGANIZATION, user_id="user", **values)


@pytest.fixture
async def world(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    agents, router, tools = FakeAgents(), FakeRouter(), FakeTools()  # type: ignore[abstract]  # what runs calls
    async with AsyncExitStack() as stack:
        server = grpc.aio.server(interceptors=[ErrorInterceptor()])
        add_TurnServiceServicer_to_server(agents, server)
        add_AgentServiceServicer_to_server(agents, server)
        add_LlmRouterServiceServicer_to_server(router, server)
        add_ToolServiceServicer_to_server(tools, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, 0)
        channel = open_channel(f"127.0.0.1:{port}")
        stack.push_async_callback(channel.close)
        yield World(agents, router, tools, channel, postgres_url, redis_url, tmp_path, stack)
    await forget_runs(postgres_url)


async def forget_runs(postgres_url: str) -> None:
    """What one test leaves unfinished is not taken over in the next."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("TRUNCATE runs.runs, runs.replicas")
    await connection.close()


@pytest.fixture
async def replica(world: World) -> Replica:
    return await world.replica()
