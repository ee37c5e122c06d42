"""How services stop."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.waiting import eventually


@pytest.mark.parametrize("stuck", ["drain", "leave"])
async def test_a_service_that_hangs_as_it_stops_is_ended_and_tells_where(tmp_path: Path, stuck: str) -> None:
    socket = tmp_path / "s"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.common.stuck_service", f"unix:{socket}", stuck),
        env={**os.environ, "PERDURE_STOP_GRACE_S": "0"},
        stderr=asyncio.subprocess.PIPE,
    )

    async def listens() -> bool:
        return socket.exists()

    await eventually(listens)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(120):
        _, errors = await process.communicate()

    assert process.returncode == 1
    assert b"in hold_up" in errors


async def start_with_work(socket: Path, work: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.common.working_service", f"unix:{socket}", work),
        env={**os.environ, "PERDURE_STOP_GRACE_S": "0"},
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_service_whose_work_breaks_off_stops_without_a_signal_and_with_an_error(tmp_path: Path) -> None:
    process = await start_with_work(tmp_path / "s", "break_off")
    async with asyncio.timeout(120):
        _, logged = await process.communicate()

    assert process.returncode == 1
    assert b"the sweep broke off" in logged
    assert b"stopped listening" in logged


async def test_a_service_whose_work_goes_on_stops_without_an_error(tmp_path: Path) -> None:
    process = await start_with_work(tmp_path / "s", "last")
    assert process.stderr is not None
    async with asyncio.timeout(120):
        while b"listening on" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        _, logged = await process.communicate()

    assert process.returncode == 0
    assert b"broke off" not in logged
