"""Services are killed while many wait for one conversation."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from letta_client import APIConnectionError, APIStatusError

from tests.chaos.arena import Arena, timed
from tests.chaos.conftest import Figures
from tests.chaos.runs import PAUSE_S, Job, attack_until, until_ended

SLOW = "[[fake: ttft_ms=100]]"


async def test_all_who_wait_are_answered_in_one_order(arena: Arena, figures: Figures) -> None:
    agent_id = await arena.make_agent()
    size = arena.scale.pick(full=50, short=6)
    waves = [[f"message {number} of wave {wave} {SLOW}" for number in range(size)] for wave in range(4)]

    with timed(figures, "seconds"):
        load = asyncio.ensure_future(wait_for_answers(arena, agent_id, waves))
        figures["kills"] = await attack_until(load, arena, arena.service_processes, every_s=(1.5, 3.5))
        jobs = await load
    await arena.until_whole()

    history = await said_and_answered(arena, agent_id)
    figures["messages"] = len(history) // 2
    assert {job.status for job in jobs} == {"completed"}
    assert [sorted(history[::2][at : at + size]) for at in range(0, 4 * size, size)] == [sorted(one) for one in waves]
    assert len(history) == 8 * size
    assert history[1::2] == [f"You said: {text.removesuffix(SLOW).strip()}" for text in history[::2]]


async def wait_for_answers(arena: Arena, agent_id: str, waves: Sequence[Sequence[str]]) -> list[Job]:
    """Those of a wave get in line at once, the next wave when all of them are in; waits for the ends."""
    jobs: list[Job] = []
    for wave in waves:
        jobs += await asyncio.gather(*(get_in_line(arena, agent_id, text) for text in wave))
    await asyncio.gather(*(until_ended(arena, job) for job in jobs))
    return jobs


async def get_in_line(arena: Arena, agent_id: str, text: str) -> Job:
    """Sends as often as it takes, under one otid."""
    job = Job(agent_id, text, 0, 0)
    message: Any = {"role": "user", "content": text, "otid": str(uuid.uuid4())}  # Any: the SDK's union of messages
    while not job.run_id:
        try:
            run = await arena.sdk.agents.messages.create_async(
                agent_id, messages=[message], extra_body={"on_busy": "enqueue"}
            )
            job.run_id = run.id
        except (APIConnectionError, APIStatusError) as exc:
            if isinstance(exc, APIStatusError) and exc.status_code < 500:
                raise
            await asyncio.sleep(PAUSE_S)
    return job


async def said_and_answered(arena: Arena, agent_id: str) -> list[str]:
    """The texts of an agent's history, user and assistant in turn."""
    page = await arena.sdk.agents.messages.list(agent_id, limit=1000, order="asc")
    return [str(one.content) for one in page.items if one.message_type in ("user_message", "assistant_message")]
