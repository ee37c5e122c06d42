"""Tools that have the network."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.tools.sandbox.job import Job, Limits, Printed, Returned
from services.tools.sandbox.network import Reachable, name_servers
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from tests.tools.sandbox.escapes import CONNECTIONS, FILES, KERNEL, PROCESSES, Attempt, source_of
from tests.tools.sandbox.outside import Outside, open_outside
from tests.tools.sources import tool_source

LIMITS = Limits(timeout_s=60.0)


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with open_outside() as found:
        yield found


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    """A server that tools may connect to: it says hello."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture(scope="module")
async def sandbox(port: int) -> AsyncIterator[Sandbox]:
    reachable = Reachable(services=frozenset([("127.0.0.1", port)]))
    box = Sandbox(LIMITS, SandboxOptions(concurrency=4, reachable=reachable))
    yield box
    await box.close()


async def result_of(sandbox: Sandbox, source: str) -> str:
    events = [event async for event in sandbox.run(Job(source=source, arguments={}, network=True))]
    ended = events[-1]
    assert isinstance(ended, Returned), events
    return ended.value


@pytest.mark.parametrize("attempt", [*CONNECTIONS, *FILES, *PROCESSES, *KERNEL], ids=lambda attempt: attempt.name)
async def test_a_tool_with_the_network_cannot(sandbox: Sandbox, outside: Outside, port: int, attempt: Attempt) -> None:
    ended = await result_of(sandbox, source_of(attempt, outside.names | {"allowed": port}))

    assert ended in [str(refusal) for refusal in attempt.refusals]


@pytest.mark.parametrize(
    "body",
    [
        "import urllib.request\nreturn urllib.request.urlopen('http://127.0.0.1:{port}').read().decode()",
        "import urllib.request\nreturn urllib.request.urlopen('http://127.0.0.1:{port}', timeout=5).read().decode()",
        "import http.client\nc = http.client.HTTPConnection('localhost', {port})\nc.request('GET', '/')\n"
        "return c.getresponse().read().decode()",
        "import asyncio\nasync def ask():\n    reader, _ = await asyncio.open_connection('127.0.0.1', {port})\n"
        "    return (await reader.read())[-5:].decode()\nreturn asyncio.run(ask())",
        "import subprocess\nreturn subprocess.check_output(['bash', '-c', "
        "'exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3'])[-5:].decode()",
    ],
)
async def test_a_tool_with_the_network_connects(sandbox: Sandbox, port: int, body: str) -> None:
    assert await result_of(sandbox, tool_source(body.replace("{port}", str(port)))) == "hello"


async def test_many_threads_connect_at_once(sandbox: Sandbox, port: int) -> None:
    body = (
        "import socket\nfrom concurrent.futures import ThreadPoolExecutor\n"
        f"def ask(_): return socket.create_connection(('127.0.0.1', {port}), 5).makefile('rb').read()[-5:]\n"
        "return len([one for one in ThreadPoolExecutor(20).map(ask, range(50)) if one == b'hello'])"
    )

    assert await result_of(sandbox, tool_source(body)) == "50"


async def test_what_the_server_hears_is_told(sandbox: Sandbox, port: int) -> None:
    refused = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    closed = refused.sockets[0].getsockname()[1]
    refused.close()
    box = Sandbox(LIMITS, SandboxOptions(reachable=Reachable(services=frozenset([("127.0.0.1", closed)]))))

    try:
        body = (
            f"try: socket.create_connection(('127.0.0.1', {closed}))\nexcept ConnectionRefusedError: return 'refused'"
        )
        assert await result_of(box, tool_source(f"import socket\n{body}")) == "refused"
    finally:
        await box.close()


async def test_calls_without_the_network_do_not_connect(sandbox: Sandbox, port: int) -> None:
    source = tool_source(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))")

    events = [event async for event in sandbox.run(Job(source=source, arguments={}))]

    assert not any(isinstance(event, Returned) for event in events)
    assert any(isinstance(event, Printed) and "PermissionError" in event.text for event in events)


@pytest.mark.parametrize(
    ("host", "reaches", "reaches_privately"),
    [
        ("8.8.8.8", True, True),
        ("2606:4700::1111", True, True),
        ("::ffff:8.8.8.8", True, True),
        ("10.1.2.3", False, True),
        ("172.16.0.1", False, True),
        ("192.168.1.1", False, True),
        ("fd12::1", False, True),
        ("::ffff:10.1.2.3", False, True),
        ("127.0.0.1", False, False),
        ("::1", False, False),
        ("::ffff:127.0.0.1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("224.0.0.1", False, False),
        ("64:ff9b::7f00:1", False, False),
    ],
)
def test_public_addresses_are_reached_and_private_ones_if_told_so(
    host: str, reaches: bool, reaches_privately: bool
) -> None:
    # A machine without a route answers ENETUNREACH before the rule is asked for the address's owner.
    reachable = replace(Reachable(), is_own=lambda _: False)

    assert reachable.has(host, 80) is reaches
    assert replace(reachable, private=True).has(host, 80) is reaches_privately


def test_name_servers_are_read(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("# x\nnameserver 127.0.0.53\nsearch a\nnameserver fd00::1\nnameserver\n")

    assert name_servers(tmp_path / "resolv.conf") == {("127.0.0.53", 53), ("fd00::1", 53)}
