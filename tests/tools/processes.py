"""Looking at processes from outside."""

import asyncio
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.01  # seconds between two looks
WITHIN_S = 20.0  # seconds; far more than it takes, and far less than the calls whose processes are looked for


async def has_ended(mark: str) -> bool:
    """Whether no process has `mark` in its command line any more."""
    return await _comes_true(lambda: not is_running(mark))


async def has_started(mark: str) -> bool:
    """Whether some process has it: a program that was begun has no command line yet for a moment."""
    return await _comes_true(lambda: is_running(mark))


def is_running(mark: str) -> bool:
    """Whether some process has `mark` as an argument; it sees the processes of calls, too, whose own numbers differ."""
    return any(mark.encode() in _arguments(process) for process in Path("/proc").glob("[0-9]*"))


async def _comes_true(holds: Callable[[], bool]) -> bool:
    for _ in range(round(WITHIN_S / POLL_S)):
        if holds():
            return True
        await asyncio.sleep(POLL_S)
    return False


def _arguments(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []  # it has ended
