"""Turning files into text in a process of its own, which may cost so much and no more.

Files come from anyone, and readers of PDFs can be led into loops and gigabytes.
"""

import asyncio
import sys
from pathlib import Path

from services.agents.folders import read_text
from services.common.errors import InvalidArgument

TIMEOUT_S = 120.0  # seconds; the process itself stops after less time of its own


class Unreadable(InvalidArgument):
    """The file holds no text that can be read."""

    reason = "UNREADABLE_FILE"


class TextReader:
    """Reads PDFs, and text in any usual encoding."""

    async def read(self, data: bytes) -> str:
        """The text, its lines ended by \\n. Raises `Unreadable`."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(Path(read_text.__file__)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                text, problem = await child.communicate(data)
        except TimeoutError as exc:
            raise Unreadable("Reading the file took too long.") from exc
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode == 0:
            return await asyncio.to_thread(text.decode)
        if child.returncode == read_text.REFUSED:
            raise Unreadable(problem.decode())
        raise Unreadable("Reading the file took more time or memory than a file may take.")
