"""A call's processes, with their pipes on the event loop."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from functools import partial
from typing import IO

from services.tools.sandbox.inside.keeper import STATUS_BYTES
from services.tools.sandbox.zygote import Zygote

READ_BYTES = 65_536  # bytes that a reader takes at a time


class Child:
    """A call that was forked. It lives for as long as we hold its lifeline, and not a moment longer than we do.

    `connections` is there if it has the network: see `connecting`.
    """

    def __init__(self, lifeline: socket.socket, connections: socket.socket | None) -> None:
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self.result = asyncio.StreamReader()
        self.connections = connections
        self._lifeline = lifeline
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._transports: list[asyncio.BaseTransport] = []

    @classmethod
    async def start(cls, zygote: Zygote, folder: str, *, network: bool) -> "Child":
        """Has it forked, to work in the folder. Raises OSError."""
        sockets = [socket.socketpair()]
        if network:
            sockets.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        pipes = [os.pipe() for _ in range(3)]
        lifeline, *connections = [theirs.detach() for _, theirs in sockets]
        given = [lifeline, *(writing for _, writing in pipes), *connections]
        try:
            zygote.fork(folder, given)
        except OSError:
            for descriptor in (*(ours.detach() for ours, _ in sockets), *(reading for reading, _ in pipes)):
                os.close(descriptor)
            raise
        finally:
            for descriptor in given:
                os.close(descriptor)
        child = cls(sockets[0][0], sockets[1][0] if network else None)
        try:
            await child._connect([os.fdopen(reading, "rb", buffering=0) for reading, _ in pipes])
        except asyncio.CancelledError:
            await child.close()
            raise
        return child

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.done()

    async def send(self, data: bytes) -> None:
        """Sends it the job. One that has ended reads nothing."""
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._lifeline, data)

    async def wait(self) -> int:
        """The exit code, once nothing of the call is left; negative for a signal."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Has it killed, with all that it started."""
        with suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Kills it and lets its pipes go."""
        self.kill()
        await self.wait()
        for transport in self._transports:
            transport.close()
        for one in (self._lifeline, self.connections):
            if one:
                one.close()

    async def _connect(self, pipes: list[IO[bytes]]) -> None:
        loop = asyncio.get_running_loop()
        for one in (self._lifeline, self.connections):
            if one:
                one.setblocking(False)  # noqa: FBT003  # its only form
        loop.add_reader(self._lifeline, self._note_end)
        for reader, pipe in zip((self.stdout, self.stderr, self.result), pipes, strict=True):
            protocol = partial(asyncio.StreamReaderProtocol, reader)
            transport, _ = await loop.connect_read_pipe(protocol, pipe)
            self._transports.append(transport)

    def _note_end(self) -> None:
        """Its keeper says how it ended; one that was killed itself says nothing."""
        asyncio.get_running_loop().remove_reader(self._lifeline)
        status = b""
        with suppress(OSError):
            status = self._lifeline.recv(STATUS_BYTES)
        self._ended.set_result(int.from_bytes(status, "big", signed=True) if status else -signal.SIGKILL)
