"""Tools on machines that lack a part of the sandbox: the kernel refuses it here, too."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tools.sandbox.escapes import CONNECTIONS, FILES, KERNEL, NETWORK, PROCESSES, Attempt, source_of
from tests.tools.sandbox.outside import Outside, open_outside
from tests.tools.sources import tool_source

# Where tools have a root of their own, folders on the way to what they may read are there, with nothing else in them.
ON_THE_WAY = {"list root's home", "list temporary files"}


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with open_outside() as found:
        yield found


async def run(refused: Sequence[str], sources: Sequence[str], **options: Any) -> tuple[list[str], Any]:
    """The layers that there were, and how the calls ended."""
    asked = json.dumps({"refused": refused, "sources": sources, "allowed": False, "port": 0, **options})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.tools.sandbox.degraded", asked),
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    told = json.loads(said)
    return told["layers"], told["endings"]


def escaped(attempts: Sequence[Attempt], endings: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [
        (attempt.name, kind, text)
        for attempt, (kind, text) in zip(attempts, endings, strict=True)
        if kind != "returned" or text not in [str(refusal) for refusal in attempt.refusals]
    ]


@pytest.mark.parametrize(
    ("refused", "missing", "unknown"),
    [
        ("landlock", "landlock", ON_THE_WAY),
        ("mounts", "mount namespace", set()),
        ("namespaces", "namespace", set()),
    ],
)
async def test_what_is_left_denies_all(outside: Outside, refused: str, missing: str, unknown: set[str]) -> None:
    attempts = [one for one in (*FILES, *PROCESSES, *KERNEL, *NETWORK) if one.name not in unknown]

    layers, endings = await run([refused], [source_of(attempt, outside.names) for attempt in attempts])

    assert "seccomp" in layers
    assert not [layer for layer in layers if missing in layer]
    assert not escaped(attempts, endings)


@pytest.mark.parametrize("refused", ["landlock", "namespaces"])
async def test_what_is_left_guards_connections(outside: Outside, refused: str) -> None:
    connects = tool_source(f"import socket\nsocket.create_connection(('127.0.0.1', {outside.allowed}))\nreturn 'yes'")
    sources = [connects, *(source_of(attempt, outside.names) for attempt in CONNECTIONS)]

    _, (first, *endings) = await run([refused], sources, port=int(outside.allowed))

    assert first == ["returned", "yes"]
    assert not escaped(CONNECTIONS, endings)


async def test_there_is_no_network_where_nothing_guards_it(outside: Outside) -> None:
    _, ((kind, text),) = await run(["seccomp"], [tool_source("return 1")], allowed=True, port=int(outside.allowed))

    assert (kind, text[:44]) == ("failed", "SandboxUnavailable: this machine has no secc")


@pytest.mark.parametrize("refused", [["seccomp"], ["namespaces", "landlock"], ["mounts", "landlock"]])
async def test_tools_do_not_run_where_too_little_is_left(refused: list[str]) -> None:
    _, endings = await run(refused, [tool_source("return 1")])

    ((kind, text),) = endings
    assert kind == "failed"
    assert text.startswith("SandboxUnavailable: this machine cannot shut tools in")
    assert "PERDURE_ALLOW_UNSANDBOXED_TOOLS" in text


@pytest.mark.parametrize(
    ("refused", "attempts"),
    [
        (["seccomp"], [*FILES, *PROCESSES]),
        (["namespaces", "landlock"], [*KERNEL, *NETWORK]),
        (["mounts", "landlock"], [*PROCESSES, *KERNEL, *NETWORK]),
    ],
    ids=lambda refused: " and ".join(refused) if isinstance(refused[0], str) else "",
)
async def test_told_to_run_them_it_uses_what_is_left(
    outside: Outside, refused: list[str], attempts: list[Attempt]
) -> None:
    tried = [source_of(attempt, outside.names) for attempt in attempts]

    _, (first, *endings) = await run(refused, [tool_source("return 1"), *tried], allowed=True)

    assert first == ["returned", "1"]
    assert not escaped(attempts, endings)
