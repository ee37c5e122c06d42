"""Limits on what a call may use. See getrlimit(2)."""

import os
import resource
from pathlib import Path

from services.tools.sandbox.job import Limits


def restrict(limits: Limits, *, counts_apart: bool, limits_addresses: bool) -> None:
    """Sets the limits; `counts_apart`: the processes of a call are counted without others of the same user.

    `limits_addresses`: of memory, too. A program that reserves far more addresses than it uses cannot run with that.
    """
    processes = limits.processes + (0 if counts_apart else _threads_of_user())
    for name, value in (
        (resource.RLIMIT_CPU, int(limits.timeout_s) + 1),
        (resource.RLIMIT_AS, limits.memory_bytes if limits_addresses else resource.RLIM_INFINITY),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(name, (value, value))


def _threads_of_user() -> int:
    """How many threads our user has: without a user namespace the limit counts them all."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == os.getuid():
                count += sum(1 for _ in (process / "task").iterdir())
        except OSError:
            continue  # it has ended
    return count
