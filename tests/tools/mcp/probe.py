"""The server of server.py, run."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.gateway.conftest import free_port

SCRIPT = str(Path(__file__).with_name("server.py"))
TRANSPORTS = {"streamable_http": ("streamable-http", "mcp"), "sse": ("sse", "sse")}  # the server's word, and its path
START_S = 120.0  # seconds; far more than it takes


def stdio_config(**env: str) -> dict[str, Any]:
    return {"mcp_server_type": "stdio", "command": sys.executable, "args": [SCRIPT, "stdio"], "env": env}


@asynccontextmanager
async def serving(kind: str, port: int = 0, **env: str) -> AsyncIterator[dict[str, Any]]:
    """The config of a server over HTTP that runs meanwhile."""
    port = port or free_port()
    transport, path = TRANSPORTS[kind]
    environment = {**os.environ, **env}
    process = await asyncio.create_subprocess_exec(sys.executable, SCRIPT, transport, str(port), env=environment)
    try:
        async with asyncio.timeout(START_S):
            await listening(port)
        yield {"mcp_server_type": kind, "server_url": f"http://127.0.0.1:{port}/{path}"}
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def listening(port: int) -> None:
    """Returns when something listens there."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
