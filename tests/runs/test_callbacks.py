"""The ends of runs, told to those who asked for it: a real HTTP server hears them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text

from services.common.errors import ResourceExhausted
from services.runs.callbacks.callbacks import CallbackResult
from services.runs.callbacks.clients import CallbackClient
from services.runs.callbacks.urls import BadCallbackUrl, check_url
from tests.runs.conftest import ORGANIZATION, TIMEOUT_S, Replica, World, declare_dead, eventually
from tests.runs.fake_services import fails, says


@dataclass
class Listener:
    """Answers with each of `statuses` in turn, then with 200. `held` holds its answers back."""

    url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON
    statuses: list[int] = field(default_factory=list)
    held: asyncio.Event | None = None

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append(await request.json())
        if self.held is not None:
            await self.held.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    heard = Listener()
    app = web.Application()
    app.router.add_post("/ended", heard.hear)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ended"
    yield heard
    await runner.cleanup()


async def make_due(replica: Replica) -> None:
    """As if the pause before another try were over."""
    async with replica.engine.begin() as connection:
        await connection.execute(text("UPDATE runs.runs SET callback_due_at = callback_due_at - interval '1 hour'"))


async def is_due(replica: Replica) -> bool:
    """Whether another try is to come."""
    async with replica.engine.begin() as connection:
        due = await connection.execute(text("SELECT 1 FROM runs.runs WHERE callback_due_at IS NOT NULL"))
        return due.first() is not None


async def test_the_end_of_a_run_is_told_once(world: World, replica: Replica, listener: Listener) -> None:
    await world.replica()  # another process that looks for callbacks
    world.router.script = [says("Hello", " there")]

    started = await replica.runs.start(world.request(callback_url=listener.url))
    run = await replica.wait_for(started.run.id, lambda run: run.callback_sent_at is not None)
    await make_due(replica)
    await replica.wait_for((await replica.runs.start(world.request())).run.id, lambda run: run.is_final)

    (told,) = listener.heard
    assert told["run_id"] == run.id
    assert told["status"] == "completed"
    assert told["completed_at"].endswith("Z")
    assert [piece["content"] for piece in told["metadata"]["result"]["messages"]] == ["Hello there"]
    assert (run.callback_status_code, run.callback_error) == (200, None)


async def test_a_failed_run_is_told_with_its_error(world: World, replica: Replica, listener: Listener) -> None:
    error = ResourceExhausted("slow down")
    error.reason = "LLM_RATE_LIMIT"
    world.router.script = [fails(error)]

    await replica.runs.start(world.request(callback_url=listener.url))
    await eventually(lambda: bool(listener.heard))

    assert listener.heard[0]["status"] == "failed"
    assert "slow down" in listener.heard[0]["metadata"]["error"]


async def test_a_cancelled_run_is_told(world: World, replica: Replica, listener: Listener) -> None:
    world.router.script = [says("never", gate=asyncio.Event())]
    started = await replica.runs.start(world.request(callback_url=listener.url))

    await replica.runs.cancel(ORGANIZATION, started.run.id)
    await eventually(lambda: bool(listener.heard))

    assert listener.heard[0]["status"] == "cancelled"


async def test_the_end_is_told_though_the_owner_died(world: World, replica: Replica, listener: Listener) -> None:
    first = await world.replica()
    world.router.script = [says("lost", gate=asyncio.Event()), says("whole")]
    started = await first.runs.start(world.request(callback_url=listener.url))
    await eventually(lambda: bool(world.router.requests))
    await first.die()
    await declare_dead(first)

    await eventually(lambda: bool(listener.heard))

    assert listener.heard[0]["run_id"] == started.run.id
    assert [piece["content"] for piece in listener.heard[0]["metadata"]["result"]["messages"]] == ["whole"]


async def test_a_process_that_dies_while_it_tells_leaves_it_to_others(
    world: World, replica: Replica, listener: Listener
) -> None:
    listener.held = asyncio.Event()
    started = await replica.runs.start(world.request(callback_url=listener.url))
    await eventually(lambda: bool(listener.heard))
    await replica.die()
    listener.held.set()

    other = await world.replica()
    await make_due(other)
    run = await other.wait_for(started.run.id, lambda run: run.callback_sent_at is not None)

    assert run.callback_status_code == 200
    assert len(listener.heard) == 2


async def test_an_answer_of_trouble_is_followed_by_another_try(
    world: World, replica: Replica, listener: Listener
) -> None:
    listener.statuses = [503]
    started = await replica.runs.start(world.request(callback_url=listener.url))
    failed = await replica.wait_for(started.run.id, lambda run: run.callback_status_code is not None)
    await make_due(replica)
    run = await replica.wait_for(started.run.id, lambda run: run.callback_sent_at is not None)

    assert (failed.callback_status_code, failed.callback_sent_at) == (503, None)
    assert failed.callback_error == "The answer was 503."
    assert (run.callback_status_code, run.callback_error) == (200, None)
    assert len(listener.heard) == 2


async def test_tries_come_to_an_end(world: World, replica: Replica, listener: Listener) -> None:
    listener.statuses = [500] * 20
    run_id = (await replica.runs.start(world.request(callback_url=listener.url))).run.id
    await replica.wait_for(run_id, lambda run: run.is_final)

    async with asyncio.timeout(TIMEOUT_S):
        while await is_due(replica):
            await make_due(replica)
            await asyncio.sleep(0.05)
    await eventually(lambda: len(listener.heard) >= 6)

    assert len(listener.heard) == 6


async def test_a_refusal_is_final(world: World, replica: Replica, listener: Listener) -> None:
    listener.statuses = [404]

    started = await replica.runs.start(world.request(callback_url=listener.url))
    run = await replica.wait_for(started.run.id, lambda run: run.callback_sent_at is not None)

    assert (run.callback_status_code, run.callback_error) == (404, "The answer was 404.")


async def test_a_private_address_is_refused_where_it_is_not_allowed(world: World, listener: Listener) -> None:
    replica = await world.replica(allow_private_callbacks=False)

    with pytest.raises(BadCallbackUrl, match="callback_url"):
        await replica.runs.start(world.request(callback_url=listener.url))

    assert await replica.runs.find_active(ORGANIZATION, world.conversation) is None


async def test_a_name_of_a_private_address_is_not_called(listener: Listener) -> None:
    client = CallbackClient(allow_private=False)

    result = await client(listener.url.replace("127.0.0.1", "localhost"), b"{}")
    await client.close()

    assert result == CallbackResult(error="localhost has no public address.")
    assert listener.heard == []


async def test_an_address_where_nobody_listens_is_an_error() -> None:
    client = CallbackClient(allow_private=True)

    result = await client("http://127.0.0.1:1/ended", b"{}")
    await client.close()

    assert result.status_code is None
    assert result.error
    assert not result.is_final


@pytest.mark.parametrize("url", ["ftp://example.com/", "example.com/ended", "http://", "http://[::1", "http://a:port/"])
def test_only_http_urls_are_taken(url: str) -> None:
    with pytest.raises(BadCallbackUrl):
        check_url(url, allow_private=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[fd00::1]"])
def test_hosts_of_this_network_are_only_taken_where_allowed(host: str) -> None:
    check_url(f"https://{host}/ended", allow_private=True)

    with pytest.raises(BadCallbackUrl):
        check_url(f"https://{host}/ended", allow_private=False)


def test_public_hosts_are_taken() -> None:
    check_url("https://example.com:8443/ended", allow_private=False)
    check_url("http://8.8.8.8/", allow_private=False)
