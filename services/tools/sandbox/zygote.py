"""The process that calls are forked from, as the service sees it."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from services.tools.sandbox.job import Limits
from services.tools.sandbox.layers import Layers

PYTHON = (sys.executable, "-I", "-S", "-B", "-X", "utf8")  # no user's settings, no site-packages, no .pyc files
PROGRAM = "import sys; sys.path.append(sys.argv[1]); from services.tools.sandbox.inside.zygote import main; main()"
OUR_MODULES = Path(__file__).parents[3]
READABLE = 0o022  # umask: calls of root run as another user, who reads what is made for them
START_S = 30.0  # seconds; it takes a third of one on a laptop
MESSAGE_BYTES = 4096


class CannotStart(Exception):
    """The zygote did not start; the message says why."""


@dataclass(frozen=True)
class Settings:
    """What calls can use.

    `packages`: a folder with what all Python code can import; `path`: folders with packages of a set's own. `program`
    runs the calls, with its arguments; empty: Python does. `readable`: what calls can read beside all these. `root`: an
    empty folder, where the root of calls may be mounted.
    """

    packages: Path
    root: Path
    limits: Limits
    path: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()


class Zygote:
    """Forks calls that can import one set of packages."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, layers: Layers) -> None:
        self._process = process
        self._control = control
        self.layers = layers

    @classmethod
    async def start(cls, settings: Settings) -> "Zygote":
        """Starts one. Raises `CannotStart`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003  # its only form
        with theirs:
            process = subprocess.Popen(  # noqa: ASYNC220  # returns as soon as the program runs
                [*PYTHON, "-c", PROGRAM, str(OUR_MODULES), orjson.dumps(settings, default=str).decode()],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd="/",
                env={},
                start_new_session=True,
                umask=READABLE,
            )
        try:
            return cls(process, ours, await _read_layers(ours))
        except BaseException:
            ours.close()
            process.kill()
            process.wait()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def fork(self, folder: str, descriptors: Sequence[int]) -> None:
        """Has it fork a call that works in the folder and has the descriptors (`Ends`). Raises OSError."""
        socket.send_fds(self._control, [folder.encode()], descriptors)

    async def close(self) -> None:
        """Ends it, and its calls with it."""
        self._control.close()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)


async def _read_layers(control: socket.socket) -> Layers:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(START_S):
            message = await loop.sock_recv(control, MESSAGE_BYTES)
    except (OSError, TimeoutError) as exc:
        raise CannotStart(f"the process that tools are forked from does not start: {exc!r}") from exc
    if not message:
        raise CannotStart("the process that tools are forked from ended at its start; the log says why")
    said = orjson.loads(message)
    return Layers(tuple(said["namespaces"]), said["landlock"], said["seccomp"])
