"""`perdure up` as a user runs it: a process of its own, with real signals."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import psutil
import pytest

from services.cli.process import StartFailed
from services.cli.stack import Stack, StackOptions
from tests.gateway.conftest import free_port

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 120.0


class Up:
    """A running `perdure up`."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "services.cli", "up", "--port", str(port), "--data-dir", str(data_dir)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def read_until(self, text: str) -> list[str]:
        """The lines up to the one that holds the text."""
        lines = []
        for line in pipe(self.process.stdout):
            lines.append(line.rstrip())
            if text in line:
                return lines
        raise AssertionError(f"{text!r} was not printed, but {lines} and {pipe(self.process.stderr).read()}")

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def child(self, module: str) -> psutil.Process:
        return next(child for child in self.children() if module in child.cmdline())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=STOP_TIMEOUT_S)
        return self.process.returncode


def call(method: str, url: str, **options: Any) -> httpx.Response:
    return httpx.request(method, url, timeout=START_TIMEOUT_S, **options)


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None, "Popen was given no pipe"
    return stream


def ended(children: list[psutil.Process]) -> bool:
    """Whether all end; those that nobody waits for are gone a moment later than their parents."""
    _, alive = psutil.wait_procs(children, timeout=STOP_TIMEOUT_S)
    return not alive


@contextmanager
def perdure_up(data_dir: Path) -> Iterator[Up]:
    up = Up(data_dir, free_port())
    try:
        up.read_until("Perdure is ready")
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


def test_interrupt_stops_everything_and_data_stays(tmp_path: Path) -> None:
    with perdure_up(tmp_path) as up:
        block = call("POST", f"{up.url}/v1/blocks", json={"label": "kept", "value": "x"}).raise_for_status().json()
        printed = up.read_until("client.agents.messages.create")
        children = up.children()
        assert up.stop(signal.SIGINT) == 0

    assert any("perdure/echo" in line for line in printed)
    assert len(children) >= 7
    assert ended(children)

    with perdure_up(tmp_path) as up:
        assert call("GET", f"{up.url}/v1/blocks/{block['id']}").raise_for_status().json() == block


def test_killed_up_takes_its_children_along_and_the_next_start_recovers(tmp_path: Path) -> None:
    with perdure_up(tmp_path) as up:
        children = up.children()
        assert up.stop(signal.SIGKILL) == -signal.SIGKILL

        _, alive = psutil.wait_procs(children, timeout=STOP_TIMEOUT_S)

    assert not alive
    with perdure_up(tmp_path) as up:
        assert call("GET", f"{up.url}/v1/health/").status_code == 200


def test_killed_service_is_named_and_comes_back(tmp_path: Path) -> None:
    with perdure_up(tmp_path) as up:
        killed = up.child("services.runs")
        killed.kill()

        report = up.read_until("was killed")[-1]
        psutil.wait_procs([killed], timeout=STOP_TIMEOUT_S)
        wait_for_success(f"{up.url}/v1/runs/")

        assert up.child("services.runs").pid != killed.pid
    assert report.startswith("runs was killed by SIGKILL")
    assert str(tmp_path / "logs" / "runs.log") in report


def wait_for_success(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not call("GET", url).is_success:
        assert time.monotonic() < deadline, f"{url} never succeeded"
        time.sleep(0.05)


def test_second_up_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with perdure_up(tmp_path):
        second = Up(tmp_path, free_port())
        _, complaint = second.process.communicate(timeout=START_TIMEOUT_S)

    assert second.process.returncode == 1
    assert complaint == f"perdure: Another perdure up is running with the data directory {tmp_path}.\n"


def test_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = Up(tmp_path, port)
        _, complaint = up.process.communicate(timeout=START_TIMEOUT_S)

    assert up.process.returncode == 1
    assert complaint == f"perdure: Port {port} cannot be used: Address already in use. Choose another with --port.\n"


async def test_port_that_is_taken_during_the_start_is_refused(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as taken:

        def take_port(report: str) -> None:
            if report.startswith("Starting the services"):
                taken.bind(("127.0.0.1", port))
                taken.listen()

        with pytest.raises(StartFailed, match=f"Port {port} cannot be used"):
            async with Stack(StackOptions(tmp_path, port), take_port):
                pass


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_impossible_port_is_refused(port: str) -> None:
    command = [sys.executable, "-m", "services.cli", "up", "--port", port]

    refused = subprocess.run(command, check=False, capture_output=True, text=True)

    assert refused.returncode == 2
    assert f"{port} is not a port" in refused.stderr
