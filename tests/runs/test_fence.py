"""A late owner writes nothing: neither the end of a run nor its steps."""

from dataclasses import replace

import pytest

from services.common.database import Database
from services.common.errors import Superseded
from services.runs.ending import Ending
from services.runs.records import Step, StepFilter
from services.runs.store.runs import PostgresRuns
from services.runs.store.steps import PostgresSteps
from tests.runs.conftest import ORGANIZATION, Replica, World


async def committed_step(world: World, replica: Replica) -> tuple[Step, PostgresRuns, PostgresSteps]:
    """The step of a run that has ended, and stores to write with."""
    run_id = (await replica.runs.start(world.request())).run.id
    await replica.wait_for(run_id, lambda run: run.is_final)
    (step,) = await replica.runs.list_steps(ORGANIZATION, StepFilter(run_id=run_id))
    database = Database(replica.engine)
    return step, PostgresRuns(database), PostgresSteps(database)


async def test_a_late_end_changes_no_step(world: World, replica: Replica) -> None:
    step, runs, _ = await committed_step(world, replica)
    late = replace(await replica.runs.get(ORGANIZATION, step.run_id), attempt=0)
    ending = Ending(status="failed", stop_reason="error", steps=[replace(step, status="failed", attempt=0)])

    assert await runs.finish(late, ending) is None

    assert await replica.runs.get_step(ORGANIZATION, step.id) == step


async def test_a_late_step_is_not_written(world: World, replica: Replica) -> None:
    step, _, steps = await committed_step(world, replica)
    late = replace(await replica.runs.get(ORGANIZATION, step.run_id), attempt=0)

    with pytest.raises(Superseded):
        await steps.save(late, [replace(step, status="failed")])

    assert await replica.runs.get_step(ORGANIZATION, step.id) == step


async def test_a_step_of_a_deleted_run_is_not_written(world: World, replica: Replica) -> None:
    step, _, steps = await committed_step(world, replica)
    run = await replica.runs.get(ORGANIZATION, step.run_id)
    await replica.runs.delete(ORGANIZATION, run.id)

    with pytest.raises(Superseded):
        await steps.save(run, [step])

    assert await replica.runs.list_steps(ORGANIZATION, StepFilter(run_id=run.id)) == []
