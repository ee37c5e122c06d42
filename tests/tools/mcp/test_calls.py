"""Calls of tools that MCP servers run, as the turn loop makes them, and what happens when servers fail."""

import asyncio
import os
import signal
import time
from uuid import uuid4

import pytest

from perdure.conversation.v1.message_pb2 import ToolReturn, ToolStatus
from services.tools.mcp.clients.connection import ConnectionLimits
from tests.gateway.conftest import free_port
from tests.tools.conftest import Api
from tests.tools.mcp.conftest import AddServer, Execute, Json
from tests.tools.mcp.forgetful import ForgetfulServer
from tests.tools.mcp.probe import serving, stdio_config
from tests.tools.processes import WITHIN_S, has_ended

SHORT = ConnectionLimits(connect_s=60, call_s=5)  # for calls that run into it
IMPATIENT = ConnectionLimits(connect_s=1, call_s=60)


def is_error(returned: ToolReturn) -> bool:
    return returned.status == ToolStatus.TOOL_STATUS_ERROR


async def answered(execute: Execute, server: Json) -> ToolReturn:
    """What the server echoes once it can be reached again, or its last failure: some time after a breaker's rest."""
    for _ in range(200):
        returned = await execute(server, "echo", text="later")
        if not is_error(returned):
            break
        await asyncio.sleep(0.05)
    return returned


async def test_tools_run_over_each_transport(add_server: AddServer, execute: Execute, config: Json) -> None:
    server = await add_server(config)

    echoed = await execute(server, "echo", text="hi")
    added = await execute(server, "add", a=2, b=3)
    greeted = await execute(server, "greet", person={"name": "Ada"})

    assert [returned.value for returned in (echoed, added, greeted)] == ["Echo: hi", "5", "Hello Ada"]
    assert not any(map(is_error, (echoed, added, greeted)))


async def test_a_tools_own_error_is_its_return(add_server: AddServer, execute: Execute, config: Json) -> None:
    server = await add_server(config)

    refused = await execute(server, "refuse")
    wrong = await execute(server, "echo", words="hi")

    assert is_error(refused)
    assert refused.value.startswith("Error executing function refuse: Error executing tool refuse")
    assert is_error(wrong)
    assert "Field required" in wrong.value


async def test_calls_share_a_connection(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config(PROBE_SECRET="from the env"))

    counted = await asyncio.gather(*(execute(server, "count") for _ in range(5)))
    secret = await execute(server, "secret")

    assert len({returned.value for returned in counted}) == 1
    assert secret.value == "from the env"


async def test_a_server_does_not_see_our_environment(
    add_server: AddServer, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE_SECRET", "ours")
    server = await add_server(stdio_config())

    assert (await execute(server, "secret")).value == "nothing"


async def test_tokens_and_headers_reach_the_server(add_server: AddServer, execute: Execute) -> None:
    async with serving("streamable_http") as config:
        server = await add_server({**config, "auth_token": "abc", "custom_headers": {"X-Own": "mine"}})

        returned = await execute(server, "authorization")

    assert returned.value == "{'authorization': 'Bearer abc', 'x-own': 'mine'}"


@pytest.mark.parametrize("mcp_limits", [SHORT])
async def test_a_hung_call_ends_at_the_deadline_and_hurts_no_other(
    add_server: AddServer, execute: Execute, config: Json
) -> None:
    server, other = await add_server(config), await add_server(stdio_config())

    hung, slow, elsewhere = await asyncio.gather(
        execute(server, "wait", seconds=100), execute(server, "wait", seconds=0.5), execute(other, "add", a=1)
    )

    assert is_error(hung)
    assert hung.value.endswith(f"wait: The MCP server {server['server_name']!r} did not answer within 5 s.")
    assert (slow.value, elsewhere.value) == ("done", "2")
    assert (await execute(server, "echo", text="still there")).value == "Echo: still there"


async def test_a_crashed_stdio_server_is_started_again(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config())

    crashed = await execute(server, "crash")
    after = await execute(server, "echo", text="back")

    assert is_error(crashed)
    assert "failed during the request: Connection closed" in crashed.value
    assert after.value == "Echo: back"


async def test_a_server_that_died_while_idle_is_started_again(add_server: AddServer, execute: Execute) -> None:
    config, mark = stdio_config(), uuid4().hex
    server = await add_server({**config, "args": [*config["args"], mark]})
    pid = int((await execute(server, "count")).value)

    os.kill(pid, signal.SIGKILL)
    assert await has_ended(mark)

    assert (await answered(execute, server)).value == "Echo: later"  # its end may not have been noticed at once


@pytest.mark.parametrize("kind", ["sse", "streamable_http"])
async def test_a_server_that_comes_back_is_found(add_server: AddServer, execute: Execute, kind: str) -> None:
    port = free_port()
    async with serving(kind, port) as config:
        server = await add_server(config)
        crashed = await execute(server, "crash")

    gone = await execute(server, "echo", text="anyone?")
    async with serving(kind, port):
        back = await execute(server, "echo", text="back")

    assert is_error(crashed)
    assert "failed during the request" in crashed.value
    assert is_error(gone)
    assert "cannot be reached: no connection could be made" in gone.value
    assert back.value == "Echo: back"


async def test_a_session_that_the_server_forgot_is_opened_again(add_server: AddServer, execute: Execute) -> None:
    forgetful = ForgetfulServer()
    async with forgetful.serving():
        server = await add_server({"mcp_server_type": "streamable_http", "server_url": forgetful.url})
        first = await execute(server, "echo")
        forgetful.forget()

        second = await execute(server, "echo")

    assert [returned.value for returned in (first, second)] == ["heard", "heard"]
    assert forgetful.sessions == 2


async def test_what_keeps_failing_is_left_alone_for_a_while(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config())
    for _ in range(3):
        await execute(server, "crash")

    refused = await execute(server, "echo", text="now?")
    returned = await answered(execute, server)

    assert "failed several times in a row" in refused.value
    assert returned.value == "Echo: later"


@pytest.mark.parametrize("mcp_limits", [IMPATIENT])
async def test_a_server_that_does_not_connect_delays_only_so_long(api: Api, add_server: AddServer) -> None:
    start = time.monotonic()

    async with asyncio.timeout(IMPATIENT.connect_s + WITHIN_S):
        await add_server({"command": "sleep", "args": ["100"]})

    assert time.monotonic() - start >= IMPATIENT.connect_s


async def test_tools_run_by_rest_too(api: Api, add_server: AddServer) -> None:
    server = await add_server(stdio_config())
    tools = {tool["name"]: tool["id"] for tool in await api.call("ListMcpServerTools", mcp_server_id=server["id"])}

    async def run(name: str, body: Json | None) -> Json:
        answered: Json = await api.call("RunMcpServerTool", body, mcp_server_id=server["id"], tool_id=tools[name])
        return answered

    echoed = await run("echo", {"args": {"text": "hi"}})
    refused = await run("refuse", None)

    assert (echoed["status"], echoed["func_return"]) == ("success", "Echo: hi")
    assert refused["status"] == "error"
    assert "Error executing tool refuse" in refused["func_return"]
