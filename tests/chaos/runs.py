"""Runs under attack: started so that nothing is sent twice, waited for, and held against their histories."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from letta_client import APIConnectionError, APIStatusError, NotFoundError

from tests.chaos.arena import Arena

FINAL = ("completed", "failed", "cancelled")
MOST_KILLS = 12  # of a short attack: processes that take long to start would never be back
PAUSE_S = 0.3  # seconds before a request is made again that the attack hit
END_S = 300.0  # seconds that a run under attack may take: processes start slowly on a busy machine


@dataclass
class Job:
    """One message to an agent of its own, and the run that answers it.

    `calls` are the steps with a tool call, `call` is what they call; WORD in it stands for the job's own word. The
    model thinks for `ttft_ms` in each step, and for `token_ms` before each further word.
    """

    agent_id: str
    word: str
    calls: int
    words: int
    call: str = 'roll_dice with {"num_sides": 6}'
    ttft_ms: int = 150
    token_ms: int = 20
    run_id: str = ""
    status: str = ""

    @property
    def text(self) -> str:
        """The message: it tells the fake model what to do."""
        asked = " then ".join([f"call tool {self.call.replace('WORD', self.word)}"] * self.calls)
        said = f"{asked} " if asked else f"Reply with {self.words} words "
        return f"{said}{self.word} [[fake: ttft_ms={self.ttft_ms} inter_token_ms={self.token_ms}]]"

    @property
    def expected(self) -> list[str]:
        """The types of all messages of the agent's history."""
        steps = ["tool_call_message", "tool_return_message"] * self.calls
        return ["system_message", "user_message", *steps, "assistant_message"]


@dataclass(frozen=True)
class Mark:
    """The tool that leaves marks, and how long its calls take. `has_quick`: each has one before it that takes none."""

    tool_id: str
    seconds: float
    has_quick: bool = False


@dataclass
class Verdict:
    """What became of jobs: by status, and the words of those whose history is wrong, or whose figures are."""

    statuses: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)


async def start(
    arena: Arena,
    *,
    calls: int | None = None,
    words: int = 25,
    ttft_ms: int = 150,
    token_ms: int = 20,
    mark: Mark | None = None,
    in_tokens: bool = False,
) -> Job:
    """Starts a run of one to four steps; sends again what got no answer, under the same otid."""
    chosen = arena.random.randint(0, 3) if calls is None else calls
    agent_id = await arena.make_agent(mark.tool_id if mark else "")
    job = Job(agent_id, f"word{arena.random.getrandbits(48):012x}", chosen, words, ttft_ms=ttft_ms, token_ms=token_ms)
    if mark is not None:
        quick = 'mark with {"word": "WORD-quick", "seconds": 0} and call tool ' if mark.has_quick else ""
        job.call = f'{quick}mark with {{"word": "WORD", "seconds": {mark.seconds}}}'
    message: Any = {"role": "user", "content": job.text, "otid": str(uuid.uuid4())}
    while True:
        try:
            job.run_id = await (_send_streaming if in_tokens else _send_async)(arena, job, message)
        except (APIConnectionError, APIStatusError, httpx.TransportError, StopAsyncIteration) as exc:
            if isinstance(exc, APIStatusError) and exc.status_code < 500:
                raise
            await asyncio.sleep(PAUSE_S)
        else:
            return job


async def _send_async(arena: Arena, job: Job, message: Any) -> str:
    return (await arena.sdk.agents.messages.create_async(job.agent_id, messages=[message])).id


async def _send_streaming(arena: Arena, job: Job, message: Any) -> str:
    """Hangs up after the first event: others follow the run."""
    async with await arena.sdk.agents.messages.create(
        job.agent_id, messages=[message], streaming=True, stream_tokens=True, background=True, include_pings=True
    ) as stream:
        first: Any = await anext(aiter(stream))  # Any: the SDK's union of events
        return str(first.run_id)


async def until_ended(arena: Arena, job: Job, timeout_s: float = END_S) -> None:
    """Until a run has its final status."""
    give_up = now() + timeout_s
    while job.status not in FINAL:
        assert now() < give_up, f"{job.run_id} has not ended: {job.status or 'it cannot be read'}"
        await asyncio.sleep(PAUSE_S)
        try:
            job.status = (await arena.sdk.runs.retrieve(job.run_id)).status or ""
        except NotFoundError:
            raise
        except (APIConnectionError, APIStatusError):
            continue


async def judge(arena: Arena, jobs: Iterable[Job]) -> Verdict:
    """Holds the histories and the figures of runs that have ended against what they should be."""
    verdict = Verdict()
    for job in jobs:
        kinds = await history(arena, job)
        users = kinds.count("user_message")
        verdict.statuses[job.status] += 1
        if users == 0:
            verdict.lost.append(job.word)
        elif users > 1 or len(kinds) > len(job.expected):
            verdict.doubled.append(job.word)
        elif job.status == "completed" and kinds != job.expected:
            verdict.wrong.append(f"{job.word}: {kinds}")
        if job.status == "completed" and (problem := await _miscount(arena, job)):
            verdict.miscounted.append(f"{job.word}: {problem}")
    return verdict


async def _miscount(arena: Arena, job: Job) -> str:
    """What is wrong with the figures of a completed run: it has a step for each answer, and their tokens."""
    metrics, usage, steps = [
        (await arena.http.get(f"/v1/runs/{job.run_id}/{what}")).raise_for_status().json()
        for what in ("metrics", "usage", "steps")
    ]
    tokens = [step["total_tokens"] for step in steps]
    if metrics["num_steps"] != job.calls + 1 or len(steps) != job.calls + 1:
        return f"{job.calls + 1} steps are {metrics['num_steps']}, with {len(steps)} rows"
    if usage["total_tokens"] != sum(tokens) or not all(tokens):
        return f"steps of {tokens} tokens are {usage['total_tokens']}"
    return ""


async def history(arena: Arena, job: Job) -> list[str]:
    """The types of the messages that an agent has."""
    page = await arena.sdk.agents.messages.list(job.agent_id, limit=100, order="asc")
    return [message.message_type or "" for message in page.items]


async def answer_of(arena: Arena, job: Job) -> str:
    """What the agent said, as it is stored."""
    page = await arena.sdk.agents.messages.list(job.agent_id, limit=100)
    return "".join(str(one.content) for one in page.items if one.message_type == "assistant_message")


async def message_ids(arena: Arena, job: Job) -> set[str]:
    """The ids of the messages that an agent has."""
    page = await arena.sdk.agents.messages.list(job.agent_id, limit=100)
    return {message.id for message in page.items}


async def attack_until(
    done: "asyncio.Future[Any]", arena: Arena, victims: Sequence[str], every_s: tuple[float, float]
) -> int:
    """Kills one of the processes now and then; how many. A short attack ends at some point, however slow the load."""
    killed = 0
    while True:
        await asyncio.wait([done], timeout=arena.random.uniform(*every_s))
        if done.done():
            return killed
        if arena.scale.is_full or killed < MOST_KILLS:
            arena.kill(arena.random.choice(victims))
            killed += 1


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99, in the values' unit."""
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 2) for p in (50, 95, 99)}


def now() -> float:
    """Seconds on a clock that only goes on."""
    return time.monotonic()
