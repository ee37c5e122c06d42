"""One process that runs one call."""

import asyncio
import codecs
import json
import os
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Literal

from services.tools.sandbox.answer import read_answer, storable
from services.tools.sandbox.child import READ_BYTES, Child
from services.tools.sandbox.inside.call import HEADER_BYTES
from services.tools.sandbox.inside.keeper import OUT_OF_MEMORY
from services.tools.sandbox.inside.namespaces import HOME
from services.tools.sandbox.job import UNPRIVILEGED_ID, Event, Failed, Job, Limits, Printed, Returned
from services.tools.sandbox.network import Reachable, connecting
from services.tools.sandbox.removal import remove_folder
from services.tools.sandbox.zygote import Zygote

RESULT_LIMIT_BYTES = 16 * 1024 * 1024  # bytes; the longest value allowed, in the longest form JSON has for it
READ_AT_ONCE_BYTES = 256 * 1024  # bytes; parsing more takes the event loop over a millisecond
LAST_WORDS_S = 0.5  # seconds for what is still in the pipes when a process has ended


class ToolProcess:
    """A process that waits for its job, in a private folder."""

    def __init__(self, child: Child, folder: Path | None, limits: Limits) -> None:
        self._child = child
        self._folder = folder
        self._limits = limits

    @classmethod
    async def start(cls, zygote: Zygote, calls: Path, limits: Limits, *, network: bool) -> "ToolProcess":
        """Has one forked. Where it cannot have a root of its own, its folder is below `calls`. Raises OSError."""
        folder = None if "mount" in zygote.layers.namespaces else _make_folder(calls)
        return cls(await Child.start(zygote, str(folder or HOME), network=network), folder, limits)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._child.is_alive

    async def run(self, job: Job, reachable: Reachable) -> AsyncGenerator[Event, None]:
        """Runs the job: what it prints as it prints it, and last how it ended. Leaving the loop kills the process.

        `reachable`: where it may connect to, if it was started with the network.
        """
        events: asyncio.Queue[Event | None] = asyncio.Queue()  # bounded by the limit on what is printed
        work = asyncio.create_task(self._work(job, events))
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            async with self._connecting(reachable):
                while (event := await events.get()) is not None:
                    yield event
                yield await work
        finally:
            work.cancel()
            await self.close()

    async def close(self) -> None:
        """Kills the process with all that it started, and removes its folder, also when cancelled meanwhile."""
        await asyncio.shield(self._close())

    async def _close(self) -> None:
        await self._child.close()
        if self._folder:
            await asyncio.to_thread(remove_folder, self._folder)

    def _connecting(self, reachable: Reachable) -> AbstractAsyncContextManager[None]:
        connections = self._child.connections
        return connecting(connections, reachable) if connections else nullcontext()

    async def _work(self, job: Job, events: asyncio.Queue[Event | None]) -> Returned | Failed:
        sending = asyncio.create_task(self._send(job))
        printed = [
            asyncio.create_task(self._follow(self._child.stdout, "stdout", events)),
            asyncio.create_task(self._follow(self._child.stderr, "stderr", events)),
        ]
        try:
            ended = await self._result(job)
            self._child.kill()  # another process that still holds the pipes must not keep us
            await asyncio.wait(printed, timeout=LAST_WORDS_S)
            return ended
        finally:
            for task in (sending, *printed):
                task.cancel()

    async def _send(self, job: Job) -> None:
        frame = json.dumps(vars(job)).encode()  # with integers of any size
        await self._child.send(len(frame).to_bytes(HEADER_BYTES, "big") + frame)

    async def _follow(
        self, pipe: asyncio.StreamReader, stream: Literal["stdout", "stderr"], events: asyncio.Queue[Event | None]
    ) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        room = self._limits.output_chars
        while data := await pipe.read(READ_BYTES):
            text = storable(decoder.decode(data))[:room]
            room -= len(text)
            if text:
                events.put_nowait(Printed(stream, text))

    async def _result(self, job: Job) -> Returned | Failed:
        frame = asyncio.create_task(self._read_frame())
        ending = asyncio.create_task(self._child.wait())
        try:
            await asyncio.wait({frame, ending}, timeout=self._limits.timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not frame.done() and not ending.done():
                return Failed(f"TimeoutError: the call took longer than {self._limits.timeout_s:g} s")
            async with asyncio.timeout(LAST_WORDS_S):
                said = await frame
            return await _read_answer(said, job.return_char_limit)
        except (asyncio.IncompleteReadError, TimeoutError):
            return Failed(f"ProcessEnded: {await self._ending()} before the function returned")
        except ValueError as exc:
            return Failed(f"BadResult: {exc}")
        finally:
            frame.cancel()
            ending.cancel()

    async def _read_frame(self) -> bytes:
        length = int.from_bytes(await self._child.result.readexactly(HEADER_BYTES), "big")
        if length > RESULT_LIMIT_BYTES:
            raise ValueError(f"the result takes {length} bytes; at most {RESULT_LIMIT_BYTES} are allowed")
        return await self._child.result.readexactly(length)

    async def _ending(self) -> str:
        self._child.kill()
        code = await self._child.wait()
        if code == OUT_OF_MEMORY:
            return f"its processes used more than {self._limits.memory_bytes} bytes of memory together"
        return f"the process was killed by {signal.Signals(-code).name}" if code < 0 else f"it exited with code {code}"


def _make_folder(calls: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="call-", dir=calls))
    if os.getuid() == 0:
        os.chown(folder, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    return folder


async def _read_answer(frame: bytes, char_limit: int) -> Returned | Failed:
    """What the process says it returned. It may say anything: the tool's code can write there, too."""
    if len(frame) > READ_AT_ONCE_BYTES:
        return await asyncio.to_thread(read_answer, frame, char_limit)
    return read_answer(frame, char_limit)
