"""The end of an asynchronous run, told to the address that its request named."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web
from letta_client import AsyncLetta
from letta_client.types import AgentState

from tests.e2e.conftest import TIMEOUT_S

Told = dict[str, Any]  # JSON


@pytest.fixture
async def told() -> AsyncIterator[tuple[str, "asyncio.Queue[Told]"]]:
    """An address, and what is posted to it."""
    bodies: asyncio.Queue[Told] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        await bodies.put(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", bodies
    await runner.cleanup()


async def test_the_end_of_an_asynchronous_run_is_told(
    client: AsyncLetta, agent: AgentState, told: tuple[str, "asyncio.Queue[Told]"]
) -> None:
    url, bodies = told

    run = await client.agents.messages.create_async(agent.id, input="Hello", callback_url=url)
    assert run.status == "created"

    body = await asyncio.wait_for(bodies.get(), timeout=TIMEOUT_S)
    assert (body["run_id"], body["status"]) == (run.id, "completed")
    (answer,) = body["metadata"]["result"]["messages"]
    assert (answer["message_type"], answer["content"]) == ("assistant_message", "You said: Hello")


async def test_a_callback_needs_an_http_url(http: httpx.AsyncClient, agent: AgentState) -> None:
    body = {"input": "Hello", "callback_url": "file:///etc/passwd"}
    response = await http.post(f"/v1/agents/{agent.id}/messages/async", json=body)

    assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert response.json()["detail"][0]["loc"] == ["body", "callback_url"]
