"""Connections of a call that has the network.

A call stays in its empty network. The filter of system calls stops each connect(2) and asks the call's keeper, which
passes the address on to the service; that decides, connects and sends the socket, which takes the place of the call's
own. Nothing that the call changes in its memory meanwhile can lead elsewhere. See seccomp_unotify(2).
"""

import errno
import fcntl
import os
import select
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from services.tools.sandbox.inside import kernel

RECEIVE, SEND, IS_VALID, ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
NOTIFICATION = struct.Struct("QII iIQ 6Q")  # id, process, flags; call, architecture, instruction, arguments
RESPONSE = struct.Struct("QqiI")  # id, value, error, flags
ADDITION = struct.Struct("QIIII")  # id, flags, our descriptor, theirs, its flags
IN_PLACE = 1  # the descriptor takes the number of another
ADDRESS_BYTES = 28  # the longest address of IP

WISH = struct.Struct("=Q?")  # to the service: id, whether it must not wait; the address follows
ANSWER = struct.Struct("=Qi")  # from the service: id, error number; a socket comes with it unless there is none


class Wish(NamedTuple):
    """A connection that a process of the call wants: for which descriptor, and whether it does not wait for it."""

    id: int
    descriptor: int
    does_not_wait: bool
    address: bytes


class Connections:
    """Passes on the wishes of a call, and puts in the sockets that come back."""

    def __init__(self, listener: int, service: socket.socket) -> None:
        self._listener = listener
        self._service = service
        self._descriptors: dict[int, int] = {}

    def watch(self, poll: "select.poll") -> None:
        """Registers what `serve` waits for."""
        poll.register(self._listener, select.POLLIN)
        poll.register(self._service, select.POLLIN)

    def serve(self, ready: dict[int, int]) -> None:
        """Does what there is to do for the descriptors that are ready."""
        with suppress(OSError):  # the process that asked has ended
            if ready.get(self._listener, 0) & select.POLLIN:
                self._pass_on()
        with suppress(OSError):
            if ready.get(self._service.fileno(), 0) & select.POLLIN:
                self._put_in()

    def _pass_on(self) -> None:
        notification = bytearray(NOTIFICATION.size)
        fcntl.ioctl(self._listener, RECEIVE, notification)
        id_, process, _, _, _, _, descriptor, address, length, *_ = NOTIFICATION.unpack(notification)
        try:
            wish = _read_wish(id_, process, descriptor & 0xFFFFFFFF, address, length)
            fcntl.ioctl(self._listener, IS_VALID, struct.pack("Q", id_))
            self._service.send(WISH.pack(id_, wish.does_not_wait) + wish.address, socket.MSG_DONTWAIT)
            self._descriptors[id_] = wish.descriptor
        except OSError as exc:
            self._respond(id_, exc.errno or errno.EACCES)

    def _put_in(self) -> None:
        message, sockets, _, _ = socket.recv_fds(self._service, ANSWER.size, 1)
        if not message:  # the service has gone, and ends us next
            return
        id_, error = ANSWER.unpack(message)
        descriptor = self._descriptors.pop(id_)
        try:
            for one in sockets:
                addition = ADDITION.pack(id_, IN_PLACE, one, descriptor, os.O_CLOEXEC)
                fcntl.ioctl(self._listener, ADD_DESCRIPTOR, addition)
        finally:
            for one in sockets:
                os.close(one)
            self._respond(id_, error)

    def _respond(self, id_: int, error: int) -> None:
        fcntl.ioctl(self._listener, SEND, RESPONSE.pack(id_, 0, -error, 0))


def _read_wish(id_: int, process: int, descriptor: int, address: int, length: int) -> Wish:
    data = kernel.read_memory(process, address, min(length, ADDRESS_BYTES))
    does_not_wait = False
    with suppress(OSError):  # where /proc is empty, all wait
        for line in Path(f"/proc/{process}/fdinfo/{descriptor}").read_text().splitlines():
            if line.startswith("flags:"):
                does_not_wait = bool(int(line.split()[1], 8) & os.O_NONBLOCK)
    return Wish(id_, descriptor, does_not_wait, data)
