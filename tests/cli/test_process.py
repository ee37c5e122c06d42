import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.cli.process import LOG_LIMIT_BYTES, Command, Process, StartFailed, wait_until

TIMEOUT_S = 120.0  # seconds; far more than anything here takes
SLEEP = ("sleep", "1000")
ORPHAN_MAKER = """
import asyncio, pathlib, sys
from services.cli.process import Command, Process

async def main():
    process = Process(Command("child", ("sleep", "1000"), pathlib.Path(sys.argv[1])), print)
    await process.start()
    print(process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def running(process: Process, other_than: int) -> bool:
    return process.pid != other_than and psutil.pid_exists(process.pid)


async def test_killed_process_is_reported_and_restarted(tmp_path: Path) -> None:
    reports: list[str] = []
    process = Process(Command("sleeper", SLEEP, tmp_path / "sleeper.log"), reports.append)
    await process.start()
    process.keep_running()
    first = process.pid

    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: running(process, first), [], timeout_s=TIMEOUT_S)
    await process.stop()

    [report] = reports
    assert "sleeper was killed by SIGKILL" in report
    assert str(tmp_path / "sleeper.log") in report


async def test_stopped_process_stays_away(tmp_path: Path) -> None:
    reports: list[str] = []
    process = Process(Command("sleeper", SLEEP, tmp_path / "sleeper.log"), reports.append)
    await process.start()
    process.keep_running()

    await process.stop()

    assert not psutil.pid_exists(process.pid)
    assert reports == []


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHAN_MAKER, str(tmp_path / "child.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))

        parent.kill()

        # The pidfd becomes readable when the child has ended.
        asyncio.run(asyncio.wait_for(readable(child), timeout=TIMEOUT_S))
    os.close(child)


async def readable(descriptor: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)


async def test_process_that_ends_at_once_is_a_failed_start(tmp_path: Path) -> None:
    log = tmp_path / "broken.log"
    process = Process(Command("broken", ("sh", "-c", "echo no disk; exit 3"), log), print)
    await process.start()

    async def never() -> bool:
        return False

    with pytest.raises(StartFailed) as failed:
        await wait_until(never, [process], timeout_s=TIMEOUT_S)

    assert str(failed.value) == f"broken ended with exit code 3 while starting: no disk (log: {log})"


async def test_missing_program_is_a_failed_start(tmp_path: Path) -> None:
    process = Process(Command("ghost", (str(tmp_path / "ghost"),), tmp_path / "ghost.log"), print)

    with pytest.raises(StartFailed, match="ghost cannot be started"):
        await process.start()


async def test_long_log_is_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "talker.log"
    log.write_bytes(b"x" * (LOG_LIMIT_BYTES + 1))
    process = Process(Command("talker", ("true",), log), print)

    await process.start()
    await process.stop()

    assert log.stat().st_size == 0
    assert (tmp_path / "talker.old.log").stat().st_size == LOG_LIMIT_BYTES + 1
