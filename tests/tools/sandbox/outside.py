"""What is outside of a sandbox and must stay out of a tool's reach."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.tools.sandbox import sandbox as sandbox_module
from services.tools.sandbox.inside import bpf, seccomp

CALLS = {**seccomp.DENIED, "clone": seccomp.CLONE, "connect": seccomp.CONNECT}
NUMBERS = {name: bpf.number(call) for name, call in CALLS.items()}


@dataclass(frozen=True)
class Outside:
    """Things of the server, by the names that attempts have for them. `own` is an address of this machine.

    `allowed` is a port that tools may be allowed to connect to.
    """

    secret: str
    port: str
    allowed: str
    socket: str
    own: str
    pid: str = str(os.getpid())
    zygote: str = str(os.getpid())
    code: str = sandbox_module.__file__

    @property
    def names(self) -> dict[str, object]:
        """What stands for what in the body of an attempt."""
        return NUMBERS | vars(self)


@contextmanager
def open_outside() -> Iterator[Outside]:
    """A file, a port and a Unix socket that every user of the machine may use."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("127.0.0.1", 0)) as allowed,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        secret, path = Path(folder, "secret"), Path(folder, "socket")
        secret.write_text("secret")
        unix.bind(str(path))
        unix.listen()
        for one, mode in ((Path(folder), 0o755), (secret, 0o644), (path, 0o777)):
            one.chmod(mode)
        port, other = (str(one.getsockname()[1]) for one in (tcp, allowed))
        yield Outside(str(secret), port, other, str(path), _own_address())


def _own_address() -> str:
    """An address of this machine on a network; that of loopback where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address
