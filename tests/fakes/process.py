"""The fake of the vendors in a process of its own, so that it answers while the caller is busy."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def fake_provider(kept: int) -> AsyncIterator[str]:
    """The address of a fake that remembers the latest `kept` requests."""
    command = [sys.executable, "-m", "tests.fakes.provider", "--port", "0", "--keep", str(kept)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()
