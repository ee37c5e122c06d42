"""What is left of calls whose callers are cancelled."""

import asyncio
import gc
from functools import partial
from pathlib import Path

import uvloop

from services.tools.sandbox.job import Job
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from tests.e2e.waiting import eventually
from tests.tools.conftest import LIMITS


def test_who_is_cancelled_as_a_call_ends_leaves_no_pipe() -> None:
    uvloop.run(_is_cancelled_as_a_call_ends())  # the services' loop closes no pipe by itself


async def _is_cancelled_as_a_call_ends() -> None:
    before, sandbox = _count_pipes(), Sandbox(LIMITS, SandboxOptions(concurrency=1))
    gc.disable()  # it would close them some day
    try:
        events = sandbox.run(Job(source="def f(): return 1", arguments={}))
        await anext(events)
        closing = asyncio.create_task(events.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        await sandbox.close()
        await eventually(partial(_has_pipes, before))
    finally:
        gc.enable()


async def _has_pipes(number: int) -> bool:
    return _count_pipes() == number


def _count_pipes() -> int:
    return sum(one.is_fifo() for one in Path("/proc/self/fd").iterdir() if one.exists())
