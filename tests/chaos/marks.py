"""A tool whose calls leave marks outside of the stack, so that it is seen how often each was made."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.arena import Arena
from tests.e2e.waiting import eventually
from tests.gateway.conftest import free_port
from tests.tools.mcp.probe import START_S, listening

SCRIPT = str(Path(__file__).with_name("marks_server.py"))
SAFE = "safe-to-repeat"  # the tag of tools whose calls may be made again


@dataclass(frozen=True)
class Marks:
    """The tool, and the marks that its calls left."""

    tool_id: str
    file: Path

    def count(self, word: str) -> int:
        """How many calls were made with a word."""
        return self.file.read_text().split().count(word)

    async def until_made(self, words: list[str]) -> None:
        """Until a call with each of the words was made."""

        async def are_made() -> bool:
            return set(words) <= set(self.file.read_text().split())

        await eventually(are_made)


@asynccontextmanager
async def open_marks(arena: Arena, folder: Path, *, tags: list[str]) -> AsyncIterator[Marks]:
    """The tool, with these tags, while the block runs."""
    file, port = folder / "marks", free_port()
    file.touch()
    process = await asyncio.create_subprocess_exec(sys.executable, SCRIPT, str(port), str(file))
    try:
        async with asyncio.timeout(START_S):
            await listening(port)
        config = {"mcp_server_type": "streamable_http", "server_url": f"http://127.0.0.1:{port}/mcp"}
        server = await arena.sdk.mcp_servers.create(server_name=f"marks{port}", config=config)  # type: ignore[arg-type]  # a dict
        (tool,) = await arena.sdk.mcp_servers.tools.list(server.id or "")
        await arena.sdk.tools.update(tool.id, tags=tags)
        yield Marks(tool.id, file)
        await arena.sdk.mcp_servers.delete(server.id or "")
    finally:
        process.kill()
        await process.wait()
