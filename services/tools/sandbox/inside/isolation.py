"""What calls are shut in with, and the descriptors that each has."""

from dataclasses import dataclass
from typing import NamedTuple

from services.tools.sandbox.job import Limits
from services.tools.sandbox.layers import Layers


class Ends(NamedTuple):
    """Descriptors of a call. The lifeline brings the job, then the exit code back; the call ends when it closes.

    A call that has the network gets its connections through `connections`.
    """

    lifeline: int
    stdout: int
    stderr: int
    result: int
    connections: int | None = None


@dataclass(frozen=True)
class Isolation:
    """What every call of a zygote is shut in with; the filters are programs of seccomp.

    `program`: what calls run instead of going on in Python; the descriptors of job and result are its last arguments.
    """

    layers: Layers
    readable: list[str]
    filter: bytes
    network_filter: bytes
    limits: Limits
    program: list[str]
