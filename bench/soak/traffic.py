"""Programs at work: each makes an agent, uses it in every way, and deletes it."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import aiohttp

from bench.client import MODEL, call, session, stream

TOOL = '''
def roll_dice(num_sides: int) -> int:
    """Rolls a die.

    Args:
        num_sides: How many sides it has.
    """
    return num_sides // 2
'''
SLOW = "Reply with 30 words [[fake: inter_token_ms=10]]"
ROUNDS = 12  # pieces of work with one agent

Work = Callable[["Program"], Awaitable[None]]


class Traffic:
    """Counts what was done, and keeps what failed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []

    async def work(self, number: int, end: float) -> None:
        """Works until `end`, on the monotonic clock."""
        random = Random(number)  # the mix of work, not a secret
        async with session(self._url) as http:
            while time.monotonic() < end:
                program = Program(http)
                try:
                    await program.open()
                    for piece in random.choices(PIECES, k=ROUNDS):
                        await piece(program)
                        self.done[piece.__name__] += 1
                    await program.close()
                except (RuntimeError, AssertionError, aiohttp.ClientError, TimeoutError) as problem:
                    self.failures.append(f"{program.doing}: {problem}")


class Program:
    """One program with one agent."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.doing = "beginning"
        self.agent = self.block = ""

    async def open(self) -> None:
        """Makes the agent."""
        await self.call("PUT", "/v1/tools/", {"source_code": TOOL})
        body = {"model": f"openai/{MODEL}", "tools": ["roll_dice"], "embedding": "openai/text-embedding-3-small"}
        blocks = [{"label": "human", "value": "Name: Ada", "limit": 2000}]
        made = await self.call("POST", "/v1/agents/", {**body, "memory_blocks": blocks})
        self.agent, self.block = made["id"], made["blocks"][0]["id"]

    async def close(self) -> None:
        """Deletes the agent and its block."""
        await self.call("DELETE", f"/v1/agents/{self.agent}")
        await self.call("DELETE", f"/v1/blocks/{self.block}")

    async def call(self, method: str, path: str, body: Any = None) -> Any:  # Any: JSON
        """The JSON answer."""
        self.doing = f"{method} {path}"
        return await call(self._http, method, path, body)

    async def send(self, text: str, **options: Any) -> Any:
        """A message and its answer."""
        return await self.call("POST", f"{self.path}/messages", {"input": text, **options})

    async def events(self, path: str, body: Any, most: int = 10_000) -> list[dict[str, Any]]:
        """The events of a stream; the client goes away after `most` of them."""
        self.doing = f"stream {path}"
        found = []
        async for _, event in stream(self._http, path, body):
            found.append(event)
            if len(found) >= most:
                break
        return found

    @property
    def path(self) -> str:
        """The agent's path."""
        return f"/v1/agents/{self.agent}"


async def talk(program: Program) -> None:
    """A blocking send."""
    answer = await program.send("Reply with the message 'so it is'.")
    assert answer["stop_reason"]["stop_reason"] == "end_turn"


async def use_tool(program: Program) -> None:
    """A turn with a tool in the sandbox."""
    answer = await program.send("Call the roll_dice tool with 16 sides and reply back to me with the outcome.")
    kinds = [message["message_type"] for message in answer["messages"]]
    assert "tool_return_message" in kinds, kinds


async def follow_tokens(program: Program) -> None:
    """A stream to its end."""
    events = await program.events(f"{program.path}/messages/stream", {"input": SLOW, "stream_tokens": True})
    assert events[-1]["message_type"] == "usage_statistics"


async def go_away(program: Program) -> None:
    """A client that leaves in the middle; the run ends without it."""
    path = f"{program.path}/messages/stream"
    events = await program.events(path, {"input": SLOW, "stream_tokens": True, "background": True}, most=3)
    await _ended(program, events[0]["run_id"])


async def replay(program: Program) -> None:
    """A background run, followed again from its middle."""
    body = {"input": SLOW, "stream_tokens": True, "background": True}
    events = await program.events(f"{program.path}/messages/stream", body)
    middle = events[len(events) // 2]
    again = await program.events(f"/v1/runs/{middle['run_id']}/stream", {"starting_after": middle["seq_id"]})
    numbers = [[one.get("seq_id") for one in some] for some in (events, again)]
    assert numbers[1] == numbers[0][len(events) // 2 + 1 :], f"{numbers[0]} and then {numbers[1]}"


async def wait_for_async(program: Program) -> None:
    """An async send, polled."""
    run = await program.call("POST", f"{program.path}/messages/async", {"input": "Reply with 'later'."})
    assert (await _ended(program, run["id"]))["status"] == "completed"


async def cancel(program: Program) -> None:
    """A run that is cancelled."""
    run = await program.call("POST", f"{program.path}/messages/async", {"input": SLOW})
    await program.call("POST", f"{program.path}/messages/cancel", {"run_ids": [run["id"]]})
    assert (await _ended(program, run["id"]))["status"] in ("cancelled", "completed")


async def converse(program: Program) -> None:
    """A conversation of its own, forked, compacted and deleted."""
    conversation = (await program.call("POST", f"/v1/conversations/?agent_id={program.agent}", {}))["id"]
    await program.events(f"/v1/conversations/{conversation}/messages", {"input": "Reply with 'one'."})
    fork = (await program.call("POST", f"/v1/conversations/{conversation}/fork"))["id"]
    await program.events(f"/v1/conversations/{fork}/messages", {"input": "Reply with 'two'."})
    await program.call("POST", f"/v1/conversations/{fork}/compact", {})
    for one in (conversation, fork):
        await program.call("DELETE", f"/v1/conversations/{one}")


async def remember(program: Program) -> None:
    """Archival memory and blocks."""
    await program.call("POST", f"{program.path}/archival-memory", {"text": "The sky was green."})
    await program.call("GET", f"{program.path}/archival-memory/search?query=sky")
    await program.call("PATCH", f"{program.path}/core-memory/blocks/human", {"value": "Name: Grace"})


async def look_back(program: Program) -> None:
    """Lists."""
    await program.call("GET", f"{program.path}/messages?limit=50")
    await program.call("GET", f"/v1/runs/?agent_id={program.agent}")
    await program.call("GET", f"{program.path}/context")


# As often as they stand here: most programs talk.
PIECES: tuple[Work, ...] = (
    talk,
    talk,
    use_tool,
    follow_tokens,
    go_away,
    replay,
    wait_for_async,
    cancel,
    converse,
    remember,
    look_back,
)


async def _ended(program: Program, run_id: str) -> Any:  # Any: JSON
    """The run, once it has ended."""
    async with asyncio.timeout(60):
        while True:
            run = await program.call("GET", f"/v1/runs/{run_id}")
            if run["status"] in ("completed", "cancelled", "failed"):
                return run
            await asyncio.sleep(0.1)
