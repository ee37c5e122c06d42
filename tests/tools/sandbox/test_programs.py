"""Calls that go on as another program, as Node is for TypeScript. Here it is a Python that loads nothing of ours."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.tools.sandbox.job import Failed, Job, Limits, Printed, Returned
from services.tools.sandbox.network import Reachable
from services.tools.sandbox.stock import Stock
from services.tools.sandbox.zygote import Settings
from tests.tools.sandbox.escapes import CONNECTIONS, FILES, KERNEL, NETWORK, PROCESSES, Attempt, source_of
from tests.tools.sandbox.outside import Outside, open_outside

LIMITS = Limits(timeout_s=60.0, memory_bytes=256 * 2**20, folder_bytes=4 * 2**20)
PROGRAM = """
import json, os, sys
lifeline, result = map(int, sys.argv[-2:])
with os.fdopen(lifeline, "rb") as pipe:
    job = json.loads(pipe.read(int.from_bytes(pipe.read(4), "big")))
names = {}
exec(job["source"], names)
answer = json.dumps({"value": str(names["probe"]())}).encode()
os.write(result, len(answer).to_bytes(4, "big") + answer)
"""
INTERPRETER = os.path.realpath(sys.executable)
ATTEMPTS = [one for one in (*FILES, *PROCESSES, *KERNEL, *NETWORK) if "import pydantic" not in one.body]


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with open_outside() as found:
        yield found


@pytest.fixture(scope="module")
async def stock(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stock]:
    packages, root, calls = (tmp_path_factory.mktemp(name) for name in ("packages", "root", "calls"))
    program = (INTERPRETER, "-I", "-S", "-c", PROGRAM)
    programs = Stock(Settings(packages, root, LIMITS, program=program), Path(calls), allows_too_few_layers=False)
    yield programs
    await programs.close()


async def ending_of(stock: Stock, source: str, reachable: Reachable | None = None) -> Returned | Failed:
    async with stock.process(network=reachable is not None) as process:
        job = Job(source=source, arguments={})
        ended = [event async for event in process.run(job, reachable or Reachable())][-1]
    assert not isinstance(ended, Printed)
    return ended


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
async def test_a_program_cannot(stock: Stock, outside: Outside, attempt: Attempt) -> None:
    ended = await ending_of(stock, source_of(attempt, outside.names))

    assert isinstance(ended, Returned), ended
    assert ended.value in [str(refusal) for refusal in attempt.refusals]


@pytest.mark.parametrize("attempt", CONNECTIONS, ids=lambda attempt: attempt.name)
async def test_a_program_with_the_network_cannot(stock: Stock, outside: Outside, attempt: Attempt) -> None:
    reachable = Reachable(services=frozenset([("127.0.0.1", int(outside.allowed))]))

    ended = await ending_of(stock, source_of(attempt, outside.names), reachable)

    assert isinstance(ended, Returned), ended
    assert ended.value in [str(refusal) for refusal in attempt.refusals]


async def test_a_program_may_reserve_more_than_it_uses(stock: Stock) -> None:
    source = "import mmap\ndef probe(): return len(mmap.mmap(-1, 2**30))"

    assert await ending_of(stock, source) == Returned(str(2**30), 10)


async def test_a_program_that_uses_too_much_is_killed(stock: Stock) -> None:
    ended = await ending_of(stock, "import time\ndef probe():\n    x = bytearray(b'x' * 2**29)\n    time.sleep(60)")

    assert isinstance(ended, Failed)
    assert ended.error.startswith("ProcessEnded: its processes used more than")
