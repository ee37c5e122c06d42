"""The runs service: `python -m services.runs`."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial

import grpc
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from perdure.runs.v1 import rest_pb2, run_service_pb2
from perdure.runs.v1.run_service_pb2_grpc import add_RunServiceServicer_to_server
from services.common.background import Background
from services.common.channels import open_channel
from services.common.config import Environment
from services.common.database import Database, open_engine
from services.common.errors import PerdureError
from services.common.redis import connect
from services.common.rest import rest_handlers
from services.common.server import run, serve
from services.runs.callbacks.callbacks import Callbacks
from services.runs.callbacks.clients import CallbackClient
from services.runs.children.delivery import Delivery
from services.runs.children.tools import AgentTools
from services.runs.clients import AgentsClient, RouterClient, ToolsClient
from services.runs.config import Config
from services.runs.events.log import EventLog, MemoryEventLog
from services.runs.line import Line
from services.runs.open_streams import OpenStreams
from services.runs.recovery.active_turns import ActiveTurns
from services.runs.recovery.bell import Bell, OwnBell
from services.runs.recovery.clients import ReplicaClient
from services.runs.recovery.heartbeat import ReplicaHeartbeat
from services.runs.recovery.interruptions import Interruptions
from services.runs.recovery.orphans import Orphans
from services.runs.rest.callbacks import render_callback
from services.runs.rest.operations import RunRest
from services.runs.runs import Runs
from services.runs.servicer import RunServicer
from services.runs.store.bell import RedisBell
from services.runs.store.callbacks import PostgresCallbacks
from services.runs.store.children import PostgresFamily
from services.runs.store.line import PostgresLines
from services.runs.store.redis_log import RedisEventLog
from services.runs.store.refusals import PostgresRefusals
from services.runs.store.replicas import PostgresReplicas
from services.runs.store.runs import PostgresRuns
from services.runs.store.steps import PostgresSteps
from services.runs.store.traces import PostgresTraces
from services.runs.trace.journal import Journal
from services.runs.trace.spans import RunSpans
from services.runs.trace.traced import traced
from services.runs.turns.denial import Denial
from services.runs.turns.services import Services
from services.runs.watching import Watching


@dataclass(frozen=True)
class Channels:
    """Channels to the other services."""

    agents: grpc.aio.Channel
    llm_router: grpc.aio.Channel
    tools: grpc.aio.Channel


class Process:
    """Runs and all that carries them out. Its owner id is made anew with each start.

    `agents`, `runs` and `traces` are what the faces need; `start` and `leave` frame their time. Meanwhile `orphans` are
    looked for and `refusals` noted. What breaks off in the `background` ends the process: others take its runs.
    """

    def __init__(self, config: Config, engine: AsyncEngine, channels: Channels, redis: "Redis | None") -> None:
        database, owner, limits = Database(engine), str(uuid.uuid4()), config.limits
        store, steps, family = PostgresRuns(database), PostgresSteps(database), PostgresFamily(database)
        self.agents, model = AgentsClient(channels.agents), RouterClient(channels.llm_router)
        kept_s, note = limits.log_hours * 3600, partial(store.note_unlogged, owner)
        self._redis_log = RedisEventLog(redis, limits.longest_log, kept_s, note) if redis else None
        event_log: EventLog = self._redis_log or MemoryEventLog(limits.longest_log)
        bell: Bell = RedisBell(redis) if redis else OwnBell()
        delivery = Delivery(lambda: self.runs, family, config.agent_reply_timeout_s)
        tools = AgentTools(ToolsClient(channels.tools), delivery, self.agents)
        self.traces = PostgresTraces(database, config.trace_days)
        self._spans = RunSpans(owner) if config.sends_spans else None
        self._journal = Journal(self.traces, owner, *([self._spans.tell] if self._spans else []))
        services = traced(Services(self.agents, model, tools, steps, store), self._journal)
        denial = Denial(store, self.agents)
        line = Line(PostgresLines(database), self.agents, denial, bell, limits.on_busy, limits.longest_line)
        self._turns = ActiveTurns(services, event_log, bell, line, limits.slots)
        self._callback_client = CallbackClient(allow_private=config.allow_private_callbacks)
        self._callbacks = Callbacks(PostgresCallbacks(database), self.agents, self._callback_client, render_callback)
        self._neighbours, self.refusals = ReplicaClient(), PostgresRefusals(database)
        self._interruptions = Interruptions(lambda one: self.runs.interrupt(one))
        self._heartbeat = self._open_heartbeat(PostgresReplicas(engine, owner, config.advertised_address), bell)
        streams = OpenStreams(limits.open_streams)
        self.runs = Runs(
            store=store,
            steps=steps,
            family=family,
            history=services.history,
            model=model,
            turns=self._turns,
            heartbeat=self._heartbeat,
            watching=Watching(store, steps, self.agents, event_log, self._neighbours, self._turns.feed, streams),
            bell=bell,
            line=line,
            refusals=self.refusals,
            owner=owner,
            limits=limits,
            allow_private_callbacks=config.allow_private_callbacks,
        )
        self.orphans, self.background = Orphans(self.agents, store), Background()

    async def start(self) -> None:
        """From here on it stamps, takes lost runs, and may accept new ones."""
        await self._heartbeat.first()
        self.background.begin("heartbeat", self._heartbeat.run())
        self.background.begin("bell", self._heartbeat.listen())
        self.background.begin("journal", self._journal.run())
        self.background.begin("sweep of orphans", self.orphans.sweep())
        self.background.begin("notes of refusals", self.refusals.run())
        if self._redis_log is not None:
            self.background.begin("event log", self._redis_log.run())

    async def drain(self, timeout_s: float) -> None:
        """Lets turns end or reach a step's end, and hands the rest over. Who follows those here goes on to do so."""
        await self._turns.drain(timeout_s)

    async def see_off(self, timeout_s: float) -> None:
        """Lets clients here hear the rest of the runs that were handed over, as long as another replica takes those."""
        await self.runs.watching.streams.wait(
            timeout_s, lambda: self._heartbeat.has_heirs and not self.background.broken.is_set()
        )

    async def leave(self) -> None:
        """Ends all else, and says so. For when nobody follows a run here any more."""
        await self.background.stop()
        await self._interruptions.stop()
        await self._stop_callbacks()
        await self._heartbeat.leave()
        await self._close_trace()
        await self._neighbours.close()

    async def abandon(self) -> None:
        """Stops at once, without a word to anybody: others will find the runs."""
        await self.background.stop()
        await self._interruptions.stop()
        await self._stop_callbacks()
        await self._turns.abandon()
        await self._heartbeat.stop()
        await self._neighbours.close()

    def _open_heartbeat(self, replicas: PostgresReplicas, bell: Bell) -> ReplicaHeartbeat:
        return ReplicaHeartbeat(replicas, self._turns, bell, self._callbacks, self._interruptions, self._neighbours)

    async def _close_trace(self) -> None:
        with suppress(PerdureError):  # without the database the last second is forgotten
            await self._journal.write()
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)

    async def _stop_callbacks(self) -> None:
        await self._callbacks.stop()
        await self._callback_client.close()


async def main() -> None:
    """Serves until told to stop. Raises `BrokenOff` where it stopped because a part of it broke off."""
    config = Config.read(Environment.current())
    async with AsyncExitStack() as stack:
        engine = open_engine(config.database_url)
        stack.push_async_callback(engine.dispose)
        redis = connect(config.redis_url) if config.redis_url else None
        if redis is not None:
            stack.push_async_callback(redis.aclose)
        addresses = config.addresses
        channels = Channels(*map(open_channel, (addresses.agents, addresses.llm_router, addresses.tools)))
        for channel in (channels.agents, channels.llm_router, channels.tools):
            stack.push_async_callback(channel.close)
        process = Process(config, engine, channels, redis)
        add_services, broken = partial(_add_services, process), process.background.broken
        async with process.background:
            await process.start()
            drain_s = config.drain_s + config.stream_drain_s
            drain = partial(_drain, process, config)
            await serve(addresses.listen, add_services, drain=drain, drain_s=drain_s, broken=broken)
            await process.leave()


async def _drain(process: Process, config: Config) -> None:
    await process.drain(config.drain_s)
    await process.see_off(config.stream_drain_s)


def _add_services(process: Process, server: grpc.aio.Server) -> Iterator[str]:
    add_RunServiceServicer_to_server(RunServicer(process.runs), server)
    yield run_service_pb2.DESCRIPTOR.services_by_name["RunService"].full_name
    rest = rest_pb2.DESCRIPTOR.services_by_name["RunRest"]
    server.add_generic_rpc_handlers([rest_handlers(rest, RunRest(process.runs, process.agents, process.traces))])
    yield rest.full_name


if __name__ == "__main__":
    run(main())
