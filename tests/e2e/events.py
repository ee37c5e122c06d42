"""Server-sent events as they are on the wire."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

DONE = "[DONE]"


@dataclass(frozen=True)
class Event:
    """One event: `data` is its JSON object, and DONE for the last one; `name` is mostly empty."""

    data: Any
    name: str = ""

    @property
    def kind(self) -> str:
        """Its message type."""
        return str(self.data.get("message_type")) if isinstance(self.data, dict) else str(self.data)


@asynccontextmanager
async def open_stream(http: httpx.AsyncClient, path: str, body: Any) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a POST, while they come; leaving hangs up."""
    async with http.stream("POST", path, json=body) as response:
        if response.status_code != httpx.codes.OK:
            raise AssertionError(f"POST {path}: {response.status_code} {(await response.aread()).decode()}")
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield _parse(response)


async def read_stream(http: httpx.AsyncClient, path: str, body: Any) -> list[Event]:
    """All events of a POST."""
    async with open_stream(http, path, body) as events:
        return [event async for event in events]


async def replay(http: httpx.AsyncClient, run_id: str, starting_after: int = 0) -> list[Event]:
    """The events of a run after one of them, to the end; without pings."""
    events = await read_stream(http, f"/v1/runs/{run_id}/stream", {"starting_after": starting_after})
    return [event for event in events if event.kind != "ping"]


def kinds(events: Sequence[Event]) -> list[str]:
    """The message types in order; repeated ones once."""
    found = [event.kind for event in events]
    return [kind for index, kind in enumerate(found) if index == 0 or kind != found[index - 1]]


def text_of(events: Sequence[Event]) -> str:
    """What the assistant said."""
    return "".join(event.data["content"] for event in events if event.kind == "assistant_message")


async def _parse(response: httpx.Response) -> AsyncIterator[Event]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
            yield Event(data if data == DONE else json.loads(data), name)
            name = ""
