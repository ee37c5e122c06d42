"""Connections that the service makes for calls that have the network."""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path

from services.common.public_addresses import is_public
from services.tools.sandbox.inside.connections import ADDRESS_BYTES, ANSWER, WISH

CONNECT_S = 30.0  # seconds
PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
METADATA = tuple(map(ip_address, ("fd00:ec2::254", "100.100.100.200")))  # of clouds, where it is not link-local
NAMES_PORT = 53


def is_own(host: str) -> bool:
    """Whether it is an address of this machine: then it is where packets to it come from."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, NAMES_PORT))  # sends nothing
        own: str = probe.getsockname()[0]
    return own == host


@dataclass(frozen=True)
class Reachable:
    """Where calls may connect to: public addresses, never this machine's own.

    `private`: addresses of private networks as well. `services`: further addresses, with their ports.
    """

    private: bool = False
    services: frozenset[tuple[str, int]] = frozenset()
    is_own: Callable[[str], bool] = is_own

    def has(self, host: str, port: int) -> bool:
        """Whether calls may connect there."""
        address = ip_address(host)
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            return self.has(str(address.ipv4_mapped), port)
        if (host, port) in self.services:
            return True
        is_private = any(address in network for network in PRIVATE) and address not in METADATA
        return (is_public(host) or (self.private and is_private)) and not self.is_own(host)


def name_servers(settings: Path = Path("/etc/resolv.conf")) -> frozenset[tuple[str, int]]:
    """Where names are looked up: see resolv.conf(5). They are often on this machine itself."""
    found = set()
    with suppress(OSError):
        for line in settings.read_text().splitlines():
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                found.add((words[1], NAMES_PORT))
    return frozenset(found)


@asynccontextmanager
async def connecting(connections: socket.socket, reachable: Reachable) -> AsyncIterator[None]:
    """Connects for a call, inside of the context."""
    serving = asyncio.create_task(_serve(connections, reachable))
    try:
        yield
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def _serve(connections: socket.socket, reachable: Reachable) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        with suppress(ConnectionResetError):  # the call ended with an answer unread
            while message := await loop.sock_recv(connections, WISH.size + ADDRESS_BYTES):
                group.create_task(_answer(connections, message, reachable))


async def _answer(connections: socket.socket, message: bytes, reachable: Reachable) -> None:
    id_, does_not_wait = WISH.unpack_from(message)
    with ExitStack() as made:
        try:
            host, port = _read_address(message[WISH.size :])
            if not reachable.has(host, port):
                raise OSError(errno.EACCES, "calls may not connect there")
            connection = made.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
            error = await _connect(connection, (host, port), does_not_wait=does_not_wait)
            answer = (ANSWER.pack(id_, error), [connection.fileno()])
        except OSError as exc:
            answer = (ANSWER.pack(id_, exc.errno or errno.ETIMEDOUT), [])  # a TimeoutError has no number
        with suppress(OSError):  # the call has ended
            socket.send_fds(connections, [answer[0]], answer[1])


async def _connect(connection: socket.socket, address: tuple[str, int], *, does_not_wait: bool) -> int:
    """The error number that the call gets. A call that does not wait gets the socket while it connects."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # options of the call's own socket are lost
    connection.setblocking(False)  # noqa: FBT003  # its only form
    if does_not_wait:
        return connection.connect_ex(address)
    async with asyncio.timeout(CONNECT_S):
        await asyncio.get_running_loop().sock_connect(connection, address)
    connection.setblocking(True)  # noqa: FBT003  # its only form
    return 0


def _read_address(data: bytes) -> tuple[str, int]:
    """Host and port of an address as connect(2) takes it. Raises OSError."""
    if len(data) < 4:
        raise OSError(errno.EINVAL, "this is no address")
    (family,) = struct.unpack_from("=H", data)
    (port,) = struct.unpack_from("!H", data, 2)
    if family == socket.AF_INET and len(data) >= 8:
        return socket.inet_ntop(socket.AF_INET, data[4:8]), port
    if family == socket.AF_INET6 and len(data) >= 24:
        return socket.inet_ntop(socket.AF_INET6, data[8:24]), port
    raise OSError(errno.EAFNOSUPPORT, "only IP is known")
