"""Servers that do everything wrong delay the call that needs them, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiohttp import web

from services.contract.mcp import StdioConfig, StreamableHTTPConfig
from services.tools.mcp.breaker import BreakerLimits
from services.tools.mcp.clients.authorization_servers import AuthorizationServers
from services.tools.mcp.clients.connection import ConnectionLimits
from services.tools.mcp.clients.servers import RemoteServers
from services.tools.mcp.oauth.store import PostgresSessions
from services.tools.mcp.oauth.tokens import Tokens
from services.tools.mcp.server import Server, ServerFailed
from tests.tools.conftest import MCP_ALLOWED
from tests.tools.mcp.conftest import AddServer, Execute
from tests.tools.mcp.probe import stdio_config
from tests.tools.processes import WITHIN_S, has_ended, has_started, is_running

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SHORT = ConnectionLimits(connect_s=60, call_s=5)  # for calls that run into it


def program(script: str) -> Server:
    config = StdioConfig(command="sh", args=["-c", script])
    return Server("org", f"mcp_server-{uuid4()}", "odd", 1, config)


async def failure(remote: RemoteServers, server: Server) -> str:
    with pytest.raises(ServerFailed) as caught:
        await remote.list_tools(server)
    return str(caught.value)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[Server]:
    app = web.Application()
    app.router.add_route("*", "/mcp", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    try:
        yield Server("org", f"mcp_server-{uuid4()}", "odd", 1, StreamableHTTPConfig(server_url=url))
    finally:
        await runner.cleanup()


def served(sessions: PostgresSessions, limits: ConnectionLimits) -> RemoteServers:
    tokens = Tokens(sessions, AuthorizationServers(MCP_ALLOWED))
    return RemoteServers(MCP_ALLOWED, tokens, limits, BreakerLimits())


@pytest.fixture
async def impatient(sessions: PostgresSessions) -> AsyncIterator[RemoteServers]:
    servers = served(sessions, ConnectionLimits(connect_s=1, call_s=1))
    yield servers
    await servers.close()


@pytest.fixture
async def idling(sessions: PostgresSessions) -> AsyncIterator[RemoteServers]:
    servers = served(sessions, ConnectionLimits(idle_s=0.1))
    yield servers
    await servers.close()


@pytest.mark.parametrize(
    "script", ["yes garbage", "exec cat /dev/zero", "echo '{}'; cat", "head -c 100000 /dev/urandom; cat", "exit 1"]
)
async def test_garbage_from_a_program_ends_by_the_deadline(impatient: RemoteServers, script: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        await failure(impatient, program(script))


async def test_what_is_nothing_but_garbage_is_given_up_at_once(remote: RemoteServers) -> None:
    assert "Connection closed" in await failure(remote, program("yes garbage"))


async def test_a_little_noise_does_no_harm(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config(PROBE_NOISE="1"))

    assert (await execute(server, "echo", text="hi")).value == "Echo: hi"


async def test_a_slow_start_delays_the_first_call_only(add_server: AddServer, execute: Execute) -> None:
    slow, other = await asyncio.gather(add_server(stdio_config(PROBE_DELAY="1")), add_server(stdio_config()))

    started = await execute(slow, "echo", text="late")
    elsewhere = await execute(other, "echo", text="now")

    assert [started.value, elsewhere.value] == ["Echo: late", "Echo: now"]


async def _page(request: web.Request) -> web.Response:
    return web.Response(text="<html>Welcome!</html>", content_type="text/html")


async def _nonsense(request: web.Request) -> web.Response:
    return web.json_response(["not", "the", "protocol"])


async def _broken(request: web.Request) -> web.Response:
    return web.Response(status=500, text="oops")


async def _elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"location": "http://169.254.169.254/latest"})


async def _packed(request: web.Request) -> web.Response:
    return web.Response(body=b"x", headers={"content-encoding": "gzip"}, content_type="application/json")


def _is_heard(request: web.Request) -> bool:
    return bool(request.transport and not request.transport.is_closing())


async def _hung(request: web.Request) -> web.Response:
    for _ in range(1000):
        if not _is_heard(request):
            break
        await asyncio.sleep(0.05)
    return web.Response()


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    while _is_heard(request):
        await response.write(b" " * 1024 * 1024)
        await asyncio.sleep(0)
    return response


@pytest.mark.parametrize("answer", [_page, _nonsense, _broken, _elsewhere, _packed, _hung, _endless])
async def test_garbage_over_http_delays_nobody_else(
    add_server: AddServer, execute: Execute, impatient: RemoteServers, answer: Answer
) -> None:
    other = await add_server(stdio_config())
    async with answering(answer) as server:
        failing = asyncio.create_task(failure(impatient, server))

        elsewhere = await execute(other, "echo", text="now")
        async with asyncio.timeout(WITHIN_S):
            assert await failing

    assert elsewhere.value == "Echo: now"


async def _listless(request: web.Request) -> web.Response:
    asked = await request.json() if request.can_read_body else {}
    match asked.get("method"):
        case "tools/list":
            return await _hung(request)
        case "initialize":
            server = {"name": "listless", "version": "1"}
            began = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": server}
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": began})
        case "notifications/initialized":
            return web.Response(status=202)
    return web.Response(status=400)


async def test_whoever_asks_for_tools_need_not_wait_as_long_as_for_a_call(sessions: PostgresSessions) -> None:
    remote = served(sessions, ConnectionLimits(connect_s=5, call_s=50))
    async with answering(_listless) as server:
        assert "did not answer within 5 s" in await failure(remote, server)
    await remote.close()


@pytest.mark.parametrize("mcp_limits", [SHORT])
async def test_many_hung_servers_are_left_behind(add_server: AddServer, execute: Execute) -> None:
    hung = await asyncio.gather(*(add_server(stdio_config()) for _ in range(4)))
    well = await add_server(stdio_config())
    waits = [asyncio.ensure_future(execute(server, "wait", seconds=100)) for server in hung for _ in range(4)]

    said = await asyncio.gather(*(execute(well, "echo", text=str(n)) for n in range(10)))
    were_hung = not any(wait.done() for wait in waits)
    ended = await asyncio.gather(*waits)

    assert [one.value for one in said] == [f"Echo: {n}" for n in range(10)]
    assert were_hung
    assert all("did not answer within 5 s" in one.value for one in ended)


def stubborn(mark: str) -> Server:
    config = stdio_config(PROBE_STUBBORN=mark)
    config = {**config, "args": [*config["args"], mark]}
    return Server("org", f"mcp_server-{mark}", "stubborn", 1, StdioConfig.model_validate(config))


async def test_an_idle_program_ends_with_all_its_children(idling: RemoteServers) -> None:
    mark = uuid4().hex

    await idling.list_tools(stubborn(mark))

    assert await has_started(mark)
    assert await has_ended(mark)


async def test_programs_end_with_the_service(remote: RemoteServers) -> None:
    marks = [uuid4().hex for _ in range(3)]
    await asyncio.gather(*(remote.list_tools(stubborn(mark)) for mark in marks))

    await remote.close()

    assert not any(map(is_running, marks))


async def test_a_program_that_never_connects_ends(impatient: RemoteServers) -> None:
    mark = uuid4().hex

    await failure(impatient, program(f"exec sleep 1000 # {mark}"))

    assert await has_ended(f"exec sleep 1000 # {mark}")
