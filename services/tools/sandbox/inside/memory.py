"""What the processes of a call use of memory together. Limits that the kernel keeps for us are per process."""

import os
import resource
from collections.abc import Callable

PAGE_BYTES = resource.getpagesize()
RESIDENT = 1  # position in statm
SESSION = 3  # position in stat, after the name


def is_above(limit_bytes: int, session: int | None) -> bool:
    """Whether processes use more; `session`: of that session, None: all that we see but ourselves.

    A quick look counts pages that are shared once for each process, so a second one, which divides them, decides.
    """
    own = str(os.getpid())
    processes = [one for one in os.listdir("/proc") if one.isdigit() and one != own]
    if session is not None:
        processes = [one for one in processes if _sum(_session, [one]) == session]
    return all(_sum(look, processes) > limit_bytes for look in (_resident, _proportional))


def _sum(look: Callable[[str], int], processes: list[str]) -> int:
    total = 0
    for process in processes:
        try:
            total += look(process)
        except (OSError, ValueError):
            continue  # it has ended
    return total


def _session(process: str) -> int:
    return int(_read(process, "stat").rpartition(")")[2].split()[SESSION])


def _resident(process: str) -> int:
    return int(_read(process, "statm").split()[RESIDENT]) * PAGE_BYTES


def _proportional(process: str) -> int:
    lines = _read(process, "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _read(process: str, name: str) -> str:
    with open(f"/proc/{process}/{name}") as file:
        return file.read()
