"""Tools of a service that is not root, on a machine without namespaces: they are the same user as the service."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.sandbox.escapes import FILES, PROCESSES, source_of
from tests.tools.sandbox.outside import Outside, open_outside
from tests.tools.sources import tool_source

ROOT = Path(__file__).parents[3]
USER = 12_345 if os.getuid() == 0 else os.getuid()
AS_USER = f"""
import os
from tests.tools.sandbox import degraded
degraded.show_interpreter()
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({USER})
    os.setuid({USER})
degraded.main()
"""


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    """What belongs to the service's user, as far as that can be."""
    with open_outside() as found:
        os.chown(found.secret, USER, -1)
        yield found


@pytest.mark.skipif(
    os.getuid() == 0 and not all(one.stat().st_mode & 1 for one in (ROOT, *ROOT.parents)),
    reason="another user cannot read this code",
)
async def test_a_tool_changes_nothing_that_belongs_to_the_service(outside: Outside) -> None:
    attempts = [*FILES, *PROCESSES]
    sources = [source_of(attempt, outside.names) for attempt in attempts]
    asked = {"refused": ["namespaces"], "allowed": False, "port": 0, "sources": [tool_source("return 1"), *sources]}

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AS_USER, json.dumps(asked)), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()

    first, *endings = json.loads(said)["endings"]
    assert first == ["returned", "1"]
    assert not [
        (attempt.name, *ending)
        for attempt, ending in zip(attempts, endings, strict=True)
        if ending not in [["returned", str(refusal)] for refusal in attempt.refusals]
    ]
