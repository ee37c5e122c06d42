"""What a server that is a program writes to its standard error: the end of it goes to the log."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TextIO

log = logging.getLogger(__name__)

KEPT_BYTES = 4096


class _Tail(asyncio.Protocol):
    def __init__(self) -> None:
        self.kept = b""

    def data_received(self, data: bytes) -> None:
        self.kept = (self.kept + data)[-KEPT_BYTES:]


@asynccontextmanager
async def logged_stderr(command: str) -> AsyncGenerator[TextIO]:
    """A file to give to the program, whose last words are logged when it has ended."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as given:
        pipe, tail = await asyncio.get_running_loop().connect_read_pipe(_Tail, os.fdopen(reading, "rb"))
        try:
            yield given
        finally:
            pipe.close()
            if tail.kept:
                log.info("the MCP server %s wrote at last: %s", command, tail.kept.decode(errors="replace"))
