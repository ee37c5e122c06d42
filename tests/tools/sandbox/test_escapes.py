"""Tools that try to get out, each in a real call."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from services.tools.sandbox.job import Failed, Job, Limits, Printed, Returned
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from tests.tools.processes import WITHIN_S
from tests.tools.sandbox.escapes import FILES, KERNEL, NETWORK, PROCESSES, Attempt, source_of
from tests.tools.sandbox.outside import Outside, open_outside
from tests.tools.sources import tool_source

LIMITS = Limits(timeout_s=60.0, memory_bytes=256 * 2**20, file_bytes=2**20, folder_bytes=4 * 2**20, output_chars=1000)
SHORT = replace(LIMITS, timeout_s=5.0)  # for calls that run into it
WELL = Returned("well", 4, json='"well"')
EMPTY = Returned("[]", 2, json="[]")


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    box = Sandbox(LIMITS, SandboxOptions(concurrency=4))
    yield box
    await box.close()


@pytest.fixture(scope="module")
async def impatient() -> AsyncIterator[Sandbox]:
    box = Sandbox(SHORT, SandboxOptions(concurrency=4))
    yield box
    await box.close()


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with open_outside() as found:
        yield found


async def ending_of(sandbox: Sandbox, source: str) -> Returned | Failed:
    events = [event async for event in sandbox.run(Job(source=source, arguments={}))]
    assert not isinstance(events[-1], Printed)
    return events[-1]


async def error_of(sandbox: Sandbox, body: str) -> str:
    ended = await ending_of(sandbox, tool_source(body))
    assert isinstance(ended, Failed), ended
    return ended.error


@pytest.mark.parametrize("attempt", [*FILES, *PROCESSES, *KERNEL, *NETWORK], ids=lambda attempt: attempt.name)
async def test_a_tool_cannot(sandbox: Sandbox, outside: Outside, attempt: Attempt) -> None:
    await sandbox.start()
    assert sandbox._plain._zygote is not None
    zygote = str(sandbox._plain._zygote._process.pid)

    ended = await ending_of(sandbox, source_of(attempt, replace(outside, zygote=zygote).names))

    assert isinstance(ended, Returned), ended
    assert ended.value in [str(number) for number in attempt.refusals]
    assert (await asyncio.to_thread(Path(outside.secret).read_text)) == "secret"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("while True: os.fork()", "BlockingIOError"),
        (
            "import threading\nwhile True: threading.Thread(target=lambda: __import__('time').sleep(9)).start()",
            "Runtime",
        ),
        ("x = []\nwhile True: x.append(bytearray(2**20))", "MemoryError"),
        ("import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 2**24))", "OSError: [Errno 12]"),
        (
            "for _ in range(10):\n    if os.fork() == 0: break\nx = bytearray(b'x' * 60 * 2**20)\ntime.sleep(60)",
            "ProcessEnded: its processes used more than",
        ),
        ("open('big', 'wb').write(bytes(2**21))", "OSError: [Errno 27]"),
        ("x = [open('/dev/null') for _ in range(10**4)]", "OSError: [Errno 24]"),
    ],
)
async def test_a_bomb_hurts_its_own_call_alone(sandbox: Sandbox, body: str, error: str) -> None:
    assert (await explode(sandbox, body)).startswith(error)


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        "while True: print('x' * 10**5)",
        "while True: os.write(2, b'x' * 10**5)",
    ],
)
async def test_what_never_ends_hurts_its_own_call_alone(impatient: Sandbox, body: str) -> None:
    assert (await explode(impatient, body)).startswith("TimeoutError")


async def explode(sandbox: Sandbox, body: str) -> str:
    """How the call of a bomb fails. Calls beside it and after it are well."""
    bomb = asyncio.create_task(error_of(sandbox, f"import os, signal, time\n{body}"))

    neighbour = await ending_of(sandbox, tool_source("return 'well'"))

    error = await bomb
    assert neighbour == WELL
    assert await ending_of(sandbox, tool_source("return 'well'")) == WELL
    return error


@pytest.mark.parametrize("content", [2**20, 0])
async def test_a_folder_that_is_full_takes_no_more(sandbox: Sandbox, content: int) -> None:
    if "mount" not in (await sandbox.start()).namespaces:
        pytest.skip("without a mount namespace only the size of each file is limited")

    error = await error_of(sandbox, f"for n in range(10**5): open(str(n), 'wb').write(bytes({content}))")

    assert error.startswith("OSError: [Errno 28]")


@pytest.mark.parametrize(
    "body",
    [
        "return 'x' * (2**26)",
        "return b'\\xff\\xfe' * 100",
        "return '\\x00\\x00\\x00\\x02{}'",
        "return {'value': 'forged', 'error': 'forged', 'length': -1}",
        "class Odd:\n    def __str__(self): return '\\ud800{\"error\": 1}'\nreturn Odd()",
        "import sys\nreturn float('nan')",
    ],
)
async def test_odd_results_are_text(sandbox: Sandbox, body: str) -> None:
    ended = await ending_of(sandbox, tool_source(body))

    assert isinstance(ended, Returned), ended
    assert len(ended.value) <= 50_000
    assert ended.length >= 0


@pytest.mark.parametrize(
    "body",
    [
        "os.closerange(0, 256)",
        "for fd in range(3, 256):\n    try: os.dup2(1, fd)\n    except OSError: pass",
        "for fd in range(3, 256):\n    try: os.write(fd, b'\\xff' * 100)\n    except OSError: pass",
        "for fd in range(3, 256):\n    try: os.write(fd, b'\\0\\0\\0\\x10' + b'[' * 16)\n    except OSError: pass",
        "for fd in range(3, 256):\n    try: os.write(fd, b'\\0\\0\\0\\x04null')\n    except OSError: pass",
        "for fd in range(3, 256):\n    try: os.write(fd, b'\\0')\n    except OSError: pass\nos._exit(0)",
        "import json\njson.dumps = lambda *_: 'not json'",
        "class Odd(Exception):\n    def __str__(self): raise self\nraise Odd",
        "os._exit(0)",
        "os.kill(os.getpid(), 9)",
        "import ctypes\nctypes.string_at(0)",
    ],
)
async def test_meddling_with_the_result_fails_the_call_alone(sandbox: Sandbox, body: str) -> None:
    assert await error_of(sandbox, f"import os\n{body}")

    assert await ending_of(sandbox, tool_source("return 'well'")) == WELL


@pytest.mark.parametrize("module", ["services", "services.tools.sandbox.inside.call", "perdure", "grpc", "sqlalchemy"])
async def test_modules_of_the_server_cannot_be_imported(sandbox: Sandbox, module: str) -> None:
    assert (await error_of(sandbox, f"import {module}")).startswith("ModuleNotFoundError: ")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the other sets of system calls are x86-64's")
@pytest.mark.parametrize(
    "body",
    [
        "ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))",
        # mov eax, 20 (getpid, where calls have 32 bits); int 0x80; ret
        "code = mmap.mmap(-1, 4096, prot=7)\ncode.write(bytes.fromhex('b814000000cd80c3'))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()",
    ],
)
async def test_other_sets_of_system_calls_kill_the_tool(sandbox: Sandbox, body: str) -> None:
    assert "killed by SIGSYS" in await error_of(sandbox, f"import ctypes, mmap\n{body}")


async def test_folders_of_calls_are_apart(sandbox: Sandbox) -> None:
    writing = tool_source("import time\nopen('mine', 'w').write('secret')\nprint('written')\ntime.sleep(60)")
    looking = tool_source("import os\nreturn [f for _, _, fs in os.walk('..') for f in fs]")

    async with aclosing(sandbox.run(Job(source=writing, arguments={}))) as events:
        written = await anext(events)
        found = await ending_of(sandbox, looking)

    assert written == Printed("stdout", "written\n")
    assert found == EMPTY


async def test_nothing_of_a_call_stays(sandbox: Sandbox) -> None:
    body = "import builtins, os\nleft = hasattr(builtins, 'left') or os.listdir()\nbuiltins.left = open('left', 'w')"

    found = [await ending_of(sandbox, tool_source(f"{body}\nreturn left")) for _ in range(2)]

    assert found == [EMPTY] * 2


async def test_calls_differ_in_what_they_draw_by_lot(sandbox: Sandbox) -> None:
    source = tool_source("import random, uuid\nreturn f'{random.random()} {uuid.uuid4()}'")

    drawn = [await ending_of(sandbox, source) for _ in range(2)]

    assert drawn[0] != drawn[1]


async def test_a_deadline_is_kept_by_a_tool_that_does_not_end(impatient: Sandbox) -> None:
    async with asyncio.timeout(SHORT.timeout_s + WITHIN_S):
        await error_of(impatient, "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
