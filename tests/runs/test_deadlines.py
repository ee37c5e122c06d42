"""How long a client waits bounds its run."""

import asyncio

import pytest

from perdure.conversation.v1.model_pb2 import TOOL_KIND_MEMORY
from services.runs.records import StepFilter
from tests.runs.conftest import ORGANIZATION, Replica, World
from tests.runs.fake_services import call, says, tool


async def failure_of(world: World, replica: Replica, *, waits_s: float, timeout_s: float) -> str:
    """How a run that never ends by itself fails, whose client waits so long."""
    world.router.script = [says("a", "b", gate=asyncio.Event())]
    async with replica.runs.send(world.request(timeout_s=timeout_s), timeout_s=waits_s) as started:
        run = await replica.wait_for(started.run.id, lambda run: run.is_final)
    return run.failure.type if run.failure else ""


@pytest.mark.parametrize(("waits_s", "timeout_s"), [(0.2, 0), (0.2, 3600), (3600, 0.2), (0, 0)])
async def test_the_shorter_of_both_times_ends_the_run(
    world: World, replica: Replica, waits_s: float, timeout_s: float
) -> None:
    assert await failure_of(world, replica, waits_s=waits_s, timeout_s=timeout_s) == "deadline_exceeded"


async def test_a_client_that_waits_for_ages_is_answered(world: World, replica: Replica) -> None:
    ages_s = 99_999_999 * 3600.0  # the longest that gRPC can say

    async with replica.runs.send(world.request(), timeout_s=ages_s) as started:
        run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert run.status == "completed"


async def test_a_background_run_goes_on_without_its_client(world: World, replica: Replica) -> None:
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)]

    async with replica.runs.send(world.request(background=True), timeout_s=0.1) as started:
        unbounded = started.run.remaining_s
        gate.set()
        run = await replica.wait_for(started.run.id, lambda run: run.is_final)

    assert unbounded is None
    assert run.status == "completed"


async def test_a_request_that_comes_again_with_less_time_left_is_the_same(world: World, replica: Replica) -> None:
    first = await replica.runs.start(world.request(request_id="key", timeout_s=60))

    again = await replica.runs.start(world.request(request_id="key", timeout_s=50))

    assert (again.run.id, again.attached) == (first.run.id, True)


async def test_a_step_that_was_committed_as_the_time_was_over_counts(world: World, replica: Replica) -> None:
    world.agents.lose_answer.add("CommitStep")
    world.agents.tools = [tool("remember", kind=TOOL_KIND_MEMORY)]
    world.router.script = [says(calls=[call("remember")])]

    run_id = (await replica.runs.start(world.request(timeout_s=4))).run.id
    run = await replica.wait_for(run_id, lambda run: run.is_final)

    (step,) = await replica.runs.list_steps(ORGANIZATION, StepFilter(run_id=run_id))
    assert (run.status, run.steps, run.usage) == ("failed", 1, step.usage)
    assert step.status == "success"
