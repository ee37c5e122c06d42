"""A program with its pipes on the event loop, in a session of its own."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

READ_BYTES = 65_536  # bytes that a reader takes at a time


class Child:
    """A program that was started. Beside the usual three pipes it has one for its result.

    `subprocess` starts it and not the event loop: it uses vfork, which costs the same whatever our size and spares us
    gRPC's handlers of forks.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self.result = asyncio.StreamReader()
        self._process = process
        self._ended = asyncio.Event()
        self._transports: list[asyncio.BaseTransport] = []

    @classmethod
    async def start(cls, program: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "Child":
        """Starts the program in the folder; its last argument is the number of the descriptor for its result."""
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: ASYNC220  # returns as soon as the program runs
                [*program, str(writing)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment,
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        child = cls(process)
        child._watch()
        await child._connect(os.fdopen(reading, "rb", buffering=0))
        return child

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.is_set()

    def write(self, data: bytes) -> None:
        """Writes to its standard input, which stays open until `close`. One that has ended reads nothing."""
        if not self._stdin.is_closing():
            self._stdin.write(data)

    async def wait(self) -> int:
        """Its exit code, once it has ended; negative for a signal."""
        await self._ended.wait()
        return self._process.returncode

    def kill(self) -> None:
        """Kills its process group: all that it started and that has not left the group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Kills it and lets its pipes go."""
        self.kill()
        await self.wait()
        for transport in self._transports:
            transport.close()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(self._process.pid)

        def note_end() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._process.wait()
            self._ended.set()

        loop.add_reader(descriptor, note_end)

    async def _connect(self, result: IO[bytes]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        loop = asyncio.get_running_loop()
        self._stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._transports.append(self._stdin)
        pipes = [(self.stdout, self._process.stdout), (self.stderr, self._process.stderr), (self.result, result)]
        for reader, pipe in pipes:
            transport, _ = await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), pipe)
            self._transports.append(transport)
