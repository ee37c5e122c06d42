"""Tools of a service that is not root, on a machine without namespaces: they are the same user as the service."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tools.sandbox.escapes import FILES, PROCESSES, Attempt, source_of
from tests.tools.sandbox.outside import Outside, open_outside
from tests.tools.sandbox.test_degraded import escaped
from tests.tools.sources import tool_source

ROOT = Path(__file__).parents[3]
# What Landlock does not guard, or not in each of its versions.
UNGUARDED = ("truncate", "open a file", "change when", "mark", "empty a file")
CHANGES = [attempt for attempt in FILES if attempt.name.startswith(UNGUARDED)]
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


pytestmark = pytest.mark.skipif(
    os.getuid() == 0 and not all(one.stat().st_mode & 1 for one in (ROOT, *ROOT.parents)),
    reason="another user cannot read this code",
)


async def endings_of(sources: Sequence[str], refused: Sequence[str]) -> list[Any]:
    asked = {"refused": refused, "allowed": True, "port": 0, "sources": [tool_source("return 1"), *sources]}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AS_USER, json.dumps(asked)), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    endings: list[Any] = json.loads(said)["endings"]  # Any: JSON
    assert endings[0] == ["returned", "1"]
    return endings[1:]


@pytest.mark.parametrize(
    ("refused", "attempts"),
    [(["namespaces"], [*FILES, *PROCESSES]), (["namespaces", "landlock"], CHANGES)],
    ids=["namespaces", "namespaces and Landlock"],
)
async def test_a_tool_changes_nothing_that_belongs_to_the_service(
    outside: Outside, refused: list[str], attempts: list[Attempt]
) -> None:
    endings = await endings_of([source_of(attempt, outside.names) for attempt in attempts], refused)

    assert not escaped(attempts, endings)
