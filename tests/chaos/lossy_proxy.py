"""A proxy that loses answers: what it was asked went through, and the client never hears of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

CHUNK_BYTES = 65_536

# Where an answer is cut off: at once when the server has the request, before its first byte, or behind its headers.
Loss = Literal["request", "headers", "body"]
LOSSES: tuple[Loss, ...] = ("request", "headers", "body")


class LossyProxy:
    """Carries one request for each connection to a server. `lose` decides by a request's head what becomes of it."""

    def __init__(self, port: int, lose: Callable[[bytes], Loss | None]) -> None:
        self._port = port
        self._lose = lose

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._carry(reader, writer)
        finally:
            await _close(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await _read_request(reader)
        server_reader, server = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            server.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            await server.drain()
            await _answer(server_reader, writer, self._lose(head))
        finally:
            await _close(server)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _answer(server: asyncio.StreamReader, client: asyncio.StreamWriter, loss: Loss | None) -> None:
    if loss == "request":
        await asyncio.sleep(0)  # the request is on its way, and nobody waits for what comes of it
        return
    answered = b""
    while chunk := await server.read(CHUNK_BYTES):
        if loss == "headers":
            return
        answered += chunk
        if loss == "body" and (end := answered.find(b"\r\n\r\n")) >= 0 and len(answered) > end + 8:
            client.write(answered[: end + 8])
            await client.drain()
            return
        if loss is None:
            client.write(chunk)
            await client.drain()


async def _read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head of a request without what it says about its connection, and its body."""
    raw = await reader.readuntil(b"\r\n\r\n")
    lines = [line for line in raw.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    return b"\r\n".join(lines), await reader.readexactly(length)


@asynccontextmanager
async def lossy_proxy(port: int, lose: Callable[[bytes], Loss | None]) -> AsyncIterator[str]:
    """The address of a proxy before a server on this machine."""
    proxy, connections = LossyProxy(port, lose), set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(connection := asyncio.create_task(proxy.carry(reader, writer)))
        connection.add_done_callback(connections.discard)

    try:
        async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
