"""R5: processes are killed around the calls of tools."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.marks import SAFE, Marks, open_marks
from tests.chaos.runs import Job, Mark, start, until_ended
from tests.chaos.scale import in_full

RUNS = 6  # under way at each kill
CALL_S = 10  # seconds that a call takes: longer than the others need to begin
UNKNOWN = "not known"  # in what the model is told of a call that may or may not have been made


@pytest.mark.parametrize(
    ("policy", "victim"),
    [
        ("once", "runs"),
        pytest.param("once", "tools", marks=in_full),
        pytest.param("safe", "runs", marks=in_full),
        pytest.param("safe", "tools", marks=in_full),
    ],
)
async def test_r5_the_policy_decides_on_a_call_in_flight(
    arena: Arena, figures: Figures, tmp_path: Path, policy: str, victim: str
) -> None:
    made: list[int] = []
    told: list[bool] = []
    async with open_marks(arena, tmp_path, tags=[SAFE] if policy == "safe" else []) as marks:
        for _ in range(arena.scale.pick(full=4, short=1)):
            jobs = await under_calls(arena, marks)
            for name in (victim, f"{victim}-2"):
                arena.kill(name)
            await asyncio.gather(*(until_ended(arena, job) for job in jobs))
            made += [marks.count(job.word) for job in jobs]
            told += [UNKNOWN in await returned(arena, job) for job in jobs]
            assert {job.status for job in jobs} == {"completed"}
            await arena.until_whole()

    figures |= {"calls": len(made), "made twice": made.count(2), "unknown": sum(told)}
    assert set(made) == ({2} if policy == "safe" else {1})
    assert set(told) == {policy == "once"}


@in_full
async def test_r5_a_committed_call_is_never_made_again(arena: Arena, figures: Figures, tmp_path: Path) -> None:
    made: list[int] = []
    async with open_marks(arena, tmp_path, tags=[SAFE]) as marks:
        mark = Mark(marks.tool_id, seconds=0)
        for _ in range(4):
            jobs = await asyncio.gather(*(start(arena, calls=1, mark=mark) for _ in range(RUNS)))
            await asyncio.gather(*(until_second_step(arena, job) for job in jobs))
            for name in ("runs", "tools"):
                arena.kill(name)
            await asyncio.gather(*(until_ended(arena, job) for job in jobs))
            made += [marks.count(job.word) for job in jobs]
            await arena.until_whole()

    figures |= {"calls": len(made), "made twice": made.count(2)}
    assert set(made) == {1}


async def test_r5_a_call_that_is_done_is_not_made_again_with_its_neighbour(
    arena: Arena, figures: Figures, tmp_path: Path
) -> None:
    async with open_marks(arena, tmp_path, tags=[SAFE]) as marks:
        await arena.sdk.tools.update(marks.tool_id, enable_parallel_execution=False)  # one is noted, then the next made
        jobs = await under_calls(arena, marks, has_quick=True)
        for name in ("runs", "runs-2"):
            arena.kill(name)
        await asyncio.gather(*(until_ended(arena, job) for job in jobs))
        made = [(marks.count(f"{job.word}-quick"), marks.count(job.word)) for job in jobs]

    figures |= {"steps": len(made), "quick calls made twice": [quick for quick, _ in made].count(2)}
    assert set(made) == {(1, 2)}


async def under_calls(arena: Arena, marks: Marks, *, has_quick: bool = False) -> list[Job]:
    """Runs whose tool calls are under way."""
    mark = Mark(marks.tool_id, seconds=CALL_S, has_quick=has_quick)
    jobs = await asyncio.gather(*(start(arena, calls=1, mark=mark) for _ in range(RUNS)))
    await marks.until_made([job.word for job in jobs])
    return list(jobs)


async def until_second_step(arena: Arena, job: Job) -> None:
    """Until the model is asked again, with what the call gave."""
    while len(await arena.vendors.received(job.word)) < 2:  # noqa: ASYNC110  # the state is in another process
        await asyncio.sleep(0.02)


async def returned(arena: Arena, job: Job) -> str:
    """What the model was told of its call."""
    page = await arena.sdk.agents.messages.list(job.agent_id, limit=100)
    return "".join(str(one.tool_return) for one in page.items if one.message_type == "tool_return_message")
