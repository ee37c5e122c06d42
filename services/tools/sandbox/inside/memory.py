"""What the processes of a call use of memory together. Limits that the kernel keeps for us are per process."""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

PAGE_BYTES = resource.getpagesize()
RESIDENT = 1  # position in statm
SESSION = 3  # position in stat, after the name


def is_above(limit_bytes: int, session: int | None) -> bool:
    """Whether processes use more; `session`: of that session, None: all that we see but ourselves.

    A quick look counts pages that are shared once for each process, so a second one, which divides them, decides.
    """
    processes = list(_processes(session))
    return all(_sum(look, processes) > limit_bytes for look in (_resident, _proportional))


def _sum(look: Callable[[Path], int], processes: list[Path]) -> int:
    total = 0
    for process in processes:
        try:
            total += look(process)
        except (OSError, ValueError):
            continue  # it has ended
    return total


def _processes(session: int | None) -> Iterator[Path]:
    own = str(os.getpid())
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != own and (session is None or _session_of(process) == session):
            yield process


def _session_of(process: Path) -> int:
    try:
        after_name = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1  # it has ended
    return int(after_name[SESSION])


def _resident(process: Path) -> int:
    return int((process / "statm").read_text().split()[RESIDENT]) * PAGE_BYTES


def _proportional(process: Path) -> int:
    lines = (process / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
