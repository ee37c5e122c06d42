"""Clients that follow a run through any number of broken connections."""

import asyncio
from dataclasses import dataclass, field

import grpc
import httpx
from letta_client import APIConnectionError, APIStatusError

from perdure.runs.v1.run_pb2 import RunEvent
from perdure.runs.v1.run_service_pb2 import WatchRunRequest
from perdure.runs.v1.run_service_pb2_grpc import RunServiceStub
from services.runs.events.numbers import last_number
from tests.chaos.arena import Arena
from tests.chaos.runs import PAUSE_S, Job
from tests.e2e.events import DONE, Event, open_stream

ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"


@dataclass
class Joined:
    """What a client has of a run: the texts of the answer by number, without what was declared void.

    `ids` are those of their messages, and `void_ids` of what was declared void and not told again. `gaps` are numbers
    that were left out, `repeats` those that came again; `discarded` counts the declarations.
    """

    texts: dict[int, str] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    void_ids: set[str] = field(default_factory=set)
    last: int = 0
    gaps: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    discarded: int = 0
    reconnects: int = 0

    @property
    def text(self) -> str:
        """What the agent said, as far as it counts."""
        return "".join(self.texts[number] for number in sorted(self.texts))

    def mistaken(self, stored_ids: set[str]) -> set[str]:
        """The ids of what counts and is not stored, and of what was declared void and is."""
        return (set(self.ids.values()) - stored_ids) | (self.void_ids & stored_ids)

    def add(self, first: int, last: int, text: str = "", message_id: str = "") -> None:
        """An event that stands for these numbers."""
        if first > self.last + 1:
            self.gaps.append(first)
        if last <= self.last:
            self.repeats.append(last)
        self.last = max(self.last, last)
        if text:
            self.texts[first], self.ids[first] = text, message_id
            self.void_ids.discard(message_id)

    def discard(self, first_void: int, number: int) -> None:
        """Declares what has these numbers void."""
        self.add(min(first_void, self.last + 1), number)
        self.void_ids |= {message_id for at, message_id in self.ids.items() if at >= first_void}
        self.texts = {at: text for at, text in self.texts.items() if at < first_void}
        self.ids = {at: message_id for at, message_id in self.ids.items() if at < first_void}
        self.discarded += 1


async def follow_rest(arena: Arena, job: Job) -> Joined:
    """By server-sent events, taken up again after the last number wherever the stream breaks."""
    joined = Joined()
    while True:
        try:
            body = {"starting_after": joined.last, "include_pings": True}
            async with open_stream(arena.http, f"/v1/runs/{job.run_id}/stream", body) as events:
                async for event in events:
                    if event.data == DONE:
                        return joined
                    _add_rest(joined, event)
        except (httpx.TransportError, AssertionError):
            joined.reconnects += 1
        await asyncio.sleep(PAUSE_S)


def _add_rest(joined: Joined, event: Event) -> None:
    number = event.data.get("seq_id")
    if event.name == "perdure.step_discarded":
        joined.discard(event.data["first_seq_id"], number)
    elif event.kind == "ping":
        if (number or 0) > joined.last:  # the start of the run; later ones have the number of the last event
            joined.add(number, number)
    elif event.kind == "assistant_message":
        joined.add(number, number, event.data["content"], event.data["id"])
    elif number is not None:
        joined.add(number, number)


async def follow_sdk(arena: Arena, job: Job) -> Joined:
    """By the SDK, which knows nothing of the declarations."""
    joined = Joined()
    while True:
        try:
            async with await arena.sdk.runs.messages.stream(job.run_id, starting_after=joined.last) as stream:
                async for event in stream:
                    number = getattr(event, "seq_id", None) or 0
                    if number and number <= joined.last and event.message_type != "ping":
                        joined.repeats.append(number)
                    joined.last = max(joined.last, number)
                    if event.message_type in ("usage_statistics", "error_message"):
                        return joined
        except (APIConnectionError, APIStatusError, httpx.TransportError):
            joined.reconnects += 1
        await asyncio.sleep(PAUSE_S)


async def follow_grpc(arena: Arena, job: Job) -> Joined:
    """By typed events."""
    joined = Joined()
    stub = RunServiceStub(arena.channel)
    while True:
        try:
            asked = WatchRunRequest(organization_id=ORGANIZATION, run_id=job.run_id, after_seq=joined.last)
            async for answer in stub.WatchRun(asked):
                for event in answer.events:
                    _add_typed(joined, event)
                if answer.events[-1].HasField("ended"):
                    return joined
        except grpc.aio.AioRpcError:
            joined.reconnects += 1
        await asyncio.sleep(PAUSE_S)


def _add_typed(joined: Joined, event: RunEvent) -> None:
    kind = event.WhichOneof("event")
    if kind == "step_discarded":
        joined.discard(event.step_discarded.first_seq, event.seq)
    elif kind != "tool_output":
        parts = "".join(part.text for part in event.message.parts) if event.HasField("message") else ""
        joined.add(event.seq, last_number(event), event.delta.text or parts, event.delta.message_id or event.message.id)
