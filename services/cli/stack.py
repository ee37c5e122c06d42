"""The whole stack on one machine: Postgres, Redis, the services and the gateway, each a process of its own."""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from services.cli.data_dir import DataDir, open_data_dir
from services.cli.embedded.envoy import EmbeddedEnvoy, find_envoy
from services.cli.embedded.gateway_config import Gateway
from services.cli.embedded.postgres import EmbeddedPostgres
from services.cli.embedded.redis import EmbeddedRedis
from services.cli.process import Command, Process, Report, StartFailed, wait_until
from services.common.config import BadConfiguration, Environment

# What holds where only this machine reaches the gateway; the environment may say otherwise.
LOCAL_DEFAULTS = {
    "PERDURE_ALLOW_PRIVATE_CALLBACKS": "1",
    "PERDURE_ALLOW_PRIVATE_MCP": "1",
    "PERDURE_ALLOW_STDIO_MCP": "1",
}
SERVICES = ("agents", "tools", "llm_router", "runs")  # in the order of their start; they stop the other way round
WITHOUT_DATABASE = "llm_router"  # starts first, as it reads the vendors' SDKs for two seconds
MAX_BODY_MB = 60  # mebibytes; services take messages of 256, in which a body has to fit four times
READY_TIMEOUT_S = 120.0  # seconds; Postgres may have to recover, a slow machine has to import


@dataclass(frozen=True)
class StackOptions:
    """What can differ between stacks.

    `environment` is what the processes get; DATABASE_URL and REDIS_URL in it take the place of the embedded ones.
    `replicas` gives the number of processes of a service where it is not one; the gateway and the other services spread
    over them.
    """

    data_dir: Path
    port: int = 8283
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    replicas: Mapping[str, int] = field(default_factory=dict)


class Part(Protocol):
    """An embedded part that can say whether it is ready."""

    def command(self) -> Command:
        """How it is run."""

    async def is_ready(self) -> bool:
        """Whether it can be used."""


class Stack:
    """Runs inside `async with`. Entering it raises `StartFailed` and leaves nothing running.

    `processes` holds `postgres`, `redis`, each service by its name (further replicas as `runs-2`, …) and `envoy`;
    `environment` what the services got, DATABASE_URL and the like included; `targets` where each replica listens.
    """

    def __init__(self, options: StackOptions, report: Report = print) -> None:
        self.options = options
        self.url = f"http://127.0.0.1:{options.port}"
        self.processes: dict[str, Process] = {}
        self.targets: Mapping[str, Sequence[str]] = {}
        defaults = {**LOCAL_DEFAULTS, "PERDURE_PUBLIC_URL": self.url}
        self.environment = {**defaults, **options.environment, "PYTHONUNBUFFERED": "1"}
        self._report = report
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._cleanup.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._cleanup.aclose()

    async def _start(self) -> None:
        check_port(self.options.port)
        find_envoy()
        data_dir = self._cleanup.enter_context(open_data_dir(self.options.data_dir))
        self.environment["PERDURE_SECRET_KEY"] = self.environment.get("PERDURE_SECRET_KEY") or data_dir.secret_key()
        self.environment.setdefault("PERDURE_TOOL_PACKAGES_DIR", str(data_dir.path / "packages"))
        self.targets = {name: self._targets(data_dir, name) for name in SERVICES}
        self.environment |= {
            f"PERDURE_{name.upper()}_ADDRESS": join_targets(each) for name, each in self.targets.items()
        }
        await self._start_replicas(data_dir, WITHOUT_DATABASE)
        await self._start_postgres(data_dir)
        await self._start_redis(data_dir)
        await self._migrate(data_dir)
        await self._start_services(data_dir)
        for process in self.processes.values():
            process.keep_running()

    async def _start_postgres(self, data_dir: DataDir) -> None:
        if self.environment.get("DATABASE_URL"):
            return
        postgres = EmbeddedPostgres(data_dir)
        self._report("Starting Postgres" if postgres.exists() else "Creating the database")
        await postgres.prepare()
        await self._start_part(postgres)
        self.environment["DATABASE_URL"] = postgres.url

    async def _start_redis(self, data_dir: DataDir) -> None:
        if self.environment.get("REDIS_URL"):
            return
        if not EmbeddedRedis.is_available():
            self._report("There is no Redis for this platform: going on without; set REDIS_URL to use your own")
            return
        self._report("Starting Redis")
        redis = EmbeddedRedis(data_dir)
        await self._start_part(redis)
        self.environment["REDIS_URL"] = redis.url

    async def _start_part(self, part: Part) -> None:
        process = await self._start_process(part.command())
        await wait_until(part.is_ready, [process], READY_TIMEOUT_S)

    async def _migrate(self, data_dir: DataDir) -> None:
        self._report("Migrating the database")
        command = self._python(data_dir, "migrate", "services.cli", "migrate")
        if await command.run() != 0:
            raise StartFailed(f"The database could not be migrated: {command.last_line()} (log: {command.log})")

    async def _start_replicas(self, data_dir: DataDir, service: str) -> None:
        for number, target in enumerate(self.targets[service], start=1):
            process = service if number == 1 else f"{service}-{number}"
            await self._start_process(self._python(data_dir, process, f"services.{service}", listen=target))

    async def _start_services(self, data_dir: DataDir) -> None:
        self._report("Starting the services and the gateway")
        for service in SERVICES:
            if service != WITHOUT_DATABASE:
                await self._start_replicas(data_dir, service)
        await wait_until(lambda: all_listen(self.targets), list(self.processes.values()), READY_TIMEOUT_S)
        check_port(self.options.port)  # again: whoever took it meanwhile would answer in place of our gateway
        envoy = EmbeddedEnvoy(data_dir, self.options.port, self._gateway())
        await self._start_process(envoy.command())  # last: whoever gets an answer can use everything
        await wait_until(envoy.is_ready, list(self.processes.values()), READY_TIMEOUT_S)

    async def _start_process(self, command: Command) -> Process:
        process = self.processes[command.name] = Process(command, self._report)
        await process.start()
        self._cleanup.push_async_callback(process.stop)
        return process

    def _targets(self, data_dir: DataDir, service: str) -> list[str]:
        numbers = range(1, self.options.replicas.get(service, 1) + 1)
        return [f"unix:{data_dir.sockets}/services/{service}-{number}.sock" for number in numbers]

    def _python(self, data_dir: DataDir, name: str, module: str, *arguments: str, listen: str = "") -> Command:
        return Command(
            name,
            [sys.executable, "-P", "-m", module, *arguments],
            data_dir.logs / f"{name}.log",
            environment={**self.environment, "PERDURE_LISTEN": listen},
        )

    def _gateway(self) -> Gateway:
        return Gateway(
            f"127.0.0.1:{self.options.port}",
            self.targets,
            hosts=self.environment.get("PERDURE_ALLOWED_HOSTS", "").split(),
            origins=self.environment.get("PERDURE_ALLOWED_ORIGINS", "").split(),
            max_body_bytes=read_max_body_bytes(Environment(self.environment)),
        )


def read_max_body_bytes(environment: Environment) -> int:
    """From PERDURE_MAX_BODY_MB (32), in mebibytes. Raises `StartFailed`."""
    try:
        mebibytes = environment.number("PERDURE_MAX_BODY_MB", 32, minimum=1)
    except BadConfiguration as exc:
        raise StartFailed(str(exc)) from exc
    if mebibytes > MAX_BODY_MB:
        raise StartFailed(f"PERDURE_MAX_BODY_MB must be at most {MAX_BODY_MB}, not {mebibytes:g}")
    return int(mebibytes * 1024 * 1024)


def join_targets(targets: Sequence[str]) -> str:
    """The unix sockets of all replicas as one gRPC target."""
    return "unix:" + ",".join(target.removeprefix("unix:") for target in targets)


async def all_listen(targets: Mapping[str, Sequence[str]]) -> bool:
    """Whether every replica has its socket."""
    sockets = [target.removeprefix("unix:") for replicas in targets.values() for target in replicas]
    return all(map(os.path.exists, sockets))


def check_port(port: int) -> None:
    """Raises `StartFailed` unless the port is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise StartFailed(f"Port {port} cannot be used: {exc.strerror}. Choose another with --port.") from exc
