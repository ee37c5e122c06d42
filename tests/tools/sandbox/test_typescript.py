"""Tools in TypeScript. Most tests install its compiler, so they run only where TEST_WITH_REGISTRIES is set."""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.tools.sandbox.job import Failed, Job, Limits, Printed, Returned
from services.tools.sandbox.network import Reachable
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from tests.tools.sandbox.outside import Outside, open_outside

LIMITS = Limits(timeout_s=10.0, memory_bytes=512 * 2**20, folder_bytes=4 * 2**20)
with_registry = pytest.mark.skipif(
    not (os.environ.get("TEST_WITH_REGISTRIES") and shutil.which("npm")), reason="packages come from a registry"
)
REFUSALS = {errno.errorcode[one] for one in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENETUNREACH)}


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with open_outside() as found:
        yield found


@pytest.fixture(scope="module")
async def sandbox(outside: Outside) -> AsyncIterator[Sandbox]:
    reachable = Reachable(services=frozenset([("127.0.0.1", int(outside.allowed))]))
    box = Sandbox(LIMITS, SandboxOptions(environment=dict(os.environ), reachable=reachable))
    yield box
    await box.close()


async def events_of(sandbox: Sandbox, source: str, **options: Any) -> list[Any]:
    job = Job(source=source, arguments=options.pop("arguments", {}), language="typescript", **options)
    return [event async for event in sandbox.run(job)]


async def result_of(sandbox: Sandbox, source: str, **options: Any) -> str:
    ended = (await events_of(sandbox, source, **options))[-1]
    assert isinstance(ended, Returned), ended
    return ended.value


async def error_of(sandbox: Sandbox, source: str, **options: Any) -> str:
    ended = (await events_of(sandbox, source, **options))[-1]
    assert isinstance(ended, Failed), ended
    return ended.error


async def test_without_node_the_error_says_so() -> None:
    sandbox = Sandbox(LIMITS, SandboxOptions(environment={"PATH": "/nowhere"}))

    try:
        assert (await error_of(sandbox, "function f() {}")).startswith("NoNode: this server has no Node.js")
    finally:
        await sandbox.close()


@with_registry
@pytest.mark.parametrize(
    ("source", "arguments", "value"),
    [
        ("function add(x: number, y: number): number { return x + y; }", {"y": 2, "x": 1}, "3"),
        ("export function greet(name: string = 'you'): string { return `hello ${name}`; }", {}, "hello you"),
        ("export async function f(x: string): Promise<string> { return x.toUpperCase(); }", {"x": "a"}, "A"),
        ("export const f = (x: number): object => ({ x, y: [1, 'ü'] });", {"x": 1}, '{"x":1,"y":[1,"ü"]}'),
        ("const twice = (x: number) => 2 * x;\nexport function f(x: number) { return twice(x); }", {"x": 2}, "4"),
        (
            "enum Color { Red = 'red' }\ninterface P { c: Color }\nfunction f(p: P) { return p.c; }",
            {"p": {"c": "r"}},
            "r",
        ),
        ("function f({ a, b }: { a: number; b: number }) { return a - b; }", {"a": 3, "b": 1}, "2"),
        ("function f(agent_state: any) { return agent_state.name; }", {}, "agent"),
        ("function f() { return process.env.MINE; }", {}, "m"),
        ("function f() { return Object.keys(process.env).sort().join(' '); }", {}, "HOME LANG MINE PATH TMPDIR"),
        ("function f() { return undefined; }", {}, "undefined"),
        ("function f() { return '\\ud800'; }", {}, "\ufffd"),
    ],
)
async def test_functions_get_their_arguments(
    sandbox: Sandbox, source: str, arguments: dict[str, Any], value: str
) -> None:
    options = {"arguments": arguments, "agent_state": '{"name": "agent"}', "environment": {"MINE": "m"}}

    assert await result_of(sandbox, source, **options) == value


@with_registry
@pytest.mark.parametrize(
    ("returned", "ended"),
    [
        ("'😀😀'", Returned("😀😀", 2)),
        ("'😀😀😀'", Returned("😀😀", 3)),
        ("10n", Returned("10", 3)),
        ("(() => { const a: any = {}; a.a = a; return a; })()", Returned("<r", 29)),
    ],
)
async def test_every_value_is_told_in_whole_characters(sandbox: Sandbox, returned: str, ended: Returned) -> None:
    events = await events_of(sandbox, f"function f() {{ return {returned}; }}", return_char_limit=2)

    assert events[-1] == ended


@with_registry
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("function f( {", "SyntaxError: "),
        ("const x = 1;", "ReferenceError: the source defines no such function"),
        ("function f(z: any) { throw new RangeError('too far'); }", "RangeError: too far"),
        ("function f(z: any) { throw 'text'; }", "Error: 'text'"),
        ("function f(x: number) { return x; }", "TypeError: there is no parameter z"),
        ("function f(z: any) { return z.a.b; }", "TypeError: Cannot read properties of undefined"),
        ("import x from 'nowhere';\nfunction f(z: any) { x(); }", "Error: Cannot find package 'nowhere'"),
        ("function f(z: any) { process.exit(3); }", "ProcessEnded: it exited with code 3"),
        ("function f(z: any) { while (true); }", "TimeoutError: "),
        (
            "function f(z: any) { const kept = []; while (true) kept.push(new Array(1e7).fill(z)); }",
            "ProcessEnded: the process was killed by SIGABRT",
        ),
        (
            "function f(z: any) { const kept = []; while (true) kept.push(Buffer.alloc(1e7, 1)); }",
            "ProcessEnded: its processes used more than",
        ),
    ],
)
async def test_failures_are_told(sandbox: Sandbox, source: str, error: str) -> None:
    assert (await error_of(sandbox, source, arguments={"z": {}})).startswith(error)


@with_registry
async def test_packages_are_imported(sandbox: Sandbox) -> None:
    source = "import isNumber from 'is-number';\nexport function f(x: unknown) { return isNumber(x); }"

    assert await result_of(sandbox, source, arguments={"x": 1}, packages=("is-number@7.0.0",)) == "true"
    assert "Cannot find package" in await error_of(sandbox, source, arguments={"x": 1})


@with_registry
async def test_a_failure_has_the_words_of_npm(sandbox: Sandbox) -> None:
    error = await error_of(sandbox, "function f() {}", packages=("is-number@999",))

    assert error.startswith("CannotInstall: is-number@999 could not be installed: ")
    assert "No matching version found" in error


@with_registry
async def test_what_is_printed_comes_while_the_tool_runs(sandbox: Sandbox) -> None:
    source = "function f() { console.log('now'); console.error('then'); while (true); }"
    events = sandbox.run(Job(source=source, arguments={}, language="typescript"))

    assert {await anext(events), await anext(events)} == {Printed("stdout", "now\n"), Printed("stderr", "then\n")}
    await events.aclose()


@with_registry
async def test_images_come_back(sandbox: Sandbox) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    source = "function f(image: object) { return [{ type: 'text', text: 'seen' }, image]; }"

    ended = (await events_of(sandbox, source, arguments={"image": image}))[-1]

    assert (ended.value, ended.parts) == ("seen", ({"type": "text", "text": "seen"}, image))


@with_registry
@pytest.mark.parametrize(
    "attempt",
    [
        "fs.readFileSync('/etc/passwd')",
        "fs.readFileSync('{secret}')",
        "fs.readFileSync('/proc/{pid}/environ')",
        "fs.readFileSync(`/proc/${process.ppid}/mem`)",
        "fs.readFileSync('{code}')",
        "fs.writeFileSync('/tmp/escaped', '')",
        "fs.writeFileSync(process.argv[1], '')",
        "fs.writeFileSync(process.argv[2] + '/escaped', '')",
        "fs.symlinkSync('{secret}', 'link'); fs.readFileSync('link')",
        "process.kill({pid})",
        "child.execFileSync('cat', ['{secret}'], { stdio: 'ignore' }); ",
        "await connect(net.connect({port}, '127.0.0.1'))",
        "await connect(net.connect({allowed}, '127.0.0.1'))",
        "await connect(net.connect('{socket}'))",
        "await connect(net.createServer().listen(0, '127.0.0.1'))",
        "await fetch('http://127.0.0.1:{port}')",
        "await dns.promises.resolve4('example.com')",
        "await connect(net.connect(80, '169.254.169.254'))",
        "await once(new worker.Worker('require(\"fs\").readFileSync(\"{secret}\")', { eval: true }), 'exit')",
    ],
)
async def test_a_tool_cannot(sandbox: Sandbox, outside: Outside, attempt: str) -> None:
    for name, value in outside.names.items():
        attempt = attempt.replace(f"{{{name}}}", str(value))
    source = f"""
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as dns from 'node:dns';
import * as child from 'node:child_process';
import * as worker from 'node:worker_threads';
import {{ once }} from 'node:events';

function connect(socket: net.Socket | net.Server) {{
  return Promise.race(['connect', 'listening'].map((event) => once(socket, event)));
}}

export async function probe() {{
  try {{
    {attempt};
  }} catch (error) {{
    return error.cause?.code ?? error.code ?? `status ${{error.status}}`;
  }}
  if (process.argv.length) await new Promise((resolve) => setTimeout(resolve, 50));
  return 'escaped';
}}
"""

    ended = (await events_of(sandbox, source))[-1]

    refused = {*REFUSALS, "EREFUSED", "ECONNREFUSED", "ESRCH", "ENOTFOUND", "EAI_AGAIN", "status 1", "ETIMEOUT"}
    assert isinstance(ended, Failed) or ended.value in refused, ended


@with_registry
async def test_a_tool_with_the_network_connects(sandbox: Sandbox, outside: Outside) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    source = (
        "import { connect } from 'node:net';\nimport { once } from 'node:events';\n"
        "export async function f(port: number) {\n  const socket = connect(port, '127.0.0.1');\n"
        "  try { await once(socket, 'connect'); } catch (error) { return error.code; }\n  return 'connected';\n}"
    )

    assert await result_of(sandbox, source, arguments={"port": int(outside.allowed)}, network=True) == "connected"
    assert await result_of(sandbox, source, arguments={"port": int(outside.port)}, network=True) == "EACCES"
    server.close()
