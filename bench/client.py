"""Plain HTTP calls, cheap enough not to disturb what is measured."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

PROMPT = "Reply with the message 'Teamwork makes the dream work'."
MODEL = "gpt-4o-mini"


@asynccontextmanager
async def session(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to one server, as many as are wanted at once."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": "Bearer bench", "X-Stainless-Package-Version": "1.12.1"}
    async with aiohttp.ClientSession(address, connector=connector, headers=headers) as opened:
        yield opened


async def call(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    """The JSON answer; raises when the status is not 2xx."""
    data = None if body is None else orjson.dumps(body)
    async with http.request(method, path, data=data, headers={"Content-Type": "application/json"}) as response:
        answer = await response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")
        return orjson.loads(answer) if answer else None


async def stream(http: aiohttp.ClientSession, path: str, body: Any) -> AsyncIterator[tuple[float, dict[str, Any]]]:
    """Server-sent events with the time at which each was there (time.perf_counter)."""
    async with http.post(path, data=orjson.dumps(body), headers={"Content-Type": "application/json"}) as response:
        if response.status >= 300:
            raise RuntimeError(f"POST {path}: {response.status} {(await response.read())[:300]!r}")
        async for line in response.content:
            if line.startswith(b"data: {"):
                yield time.perf_counter(), orjson.loads(line[6:])


async def create_agent(http: aiohttp.ClientSession) -> str:
    """A fresh agent on the fake's model, without tools."""
    body = {"model": f"openai/{MODEL}", "include_base_tools": False}
    return str((await call(http, "POST", "/v1/agents", body))["id"])


def direct_request(text: str) -> dict[str, Any]:
    """The same model call, made without the server."""
    options = {"include_usage": True}
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "stream": True, "stream_options": options, "messages": messages}
