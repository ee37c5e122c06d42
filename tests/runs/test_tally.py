"""What the steps of a run came to."""

from dataclasses import replace
from datetime import UTC, datetime

from perdure.conversation.v1.message_pb2 import Usage
from perdure.conversation.v1.model_pb2 import ModelSettings
from services.runs.records import Step
from services.runs.turns.history import Outcome, Snapshot, TurnAgent
from services.runs.turns.tally import Tally, committed_steps
from tests.runs.conftest import ORGANIZATION

AGENT = TurnAgent(id="agent-1", model="openai/gpt-4o", settings=ModelSettings(), context_window=0)


def step(number: int, **fields: object) -> Step:
    noted = Step(
        id=f"step-{number}",
        organization_id=ORGANIZATION,
        run_id="run-1",
        agent_id="agent-1",
        number=number,
        attempt=1,
        created_at=datetime(2026, 3, 9, tzinfo=UTC),
        status="pending",
        usage=Usage(total_tokens=7),
    )
    return replace(noted, **fields)  # type: ignore[arg-type]  # its own fields


def running(next_step: int, last_step: Step | None) -> Snapshot:
    return Snapshot(
        AGENT, window=[], tools=[], next_step=next_step, next_step_id="next", window_version=1, last_step=last_step
    )


def test_a_step_that_is_met_again_counts_once() -> None:
    tally = Tally()

    tally.count(step(1))
    tally.count(step(1))

    assert [row.id for row in tally.rows] == ["step-1"]
    assert tally.usage.total_tokens == 7


def test_the_last_step_is_added_where_the_ledger_lacks_it() -> None:
    last = step(2, status="success")

    assert committed_steps([step(1)], running(3, last)) == [step(1), last]
    assert committed_steps([step(1)], Outcome("completed", "end_turn", last_step=last)) == [step(1), last]


def test_a_step_that_was_noted_before_its_calls_gets_what_was_known_after_them() -> None:
    last = step(1, status="success", tool_execution_ns=5)

    assert committed_steps([step(1)], running(2, last)) == [last]


def test_what_the_ledger_knows_of_a_step_that_was_noted_whole_stays() -> None:
    noted = step(1, status="success", step_ns=9)

    assert committed_steps([noted], running(2, step(1, status="success"))) == [noted]


def test_a_noted_step_that_was_not_committed_does_not_count() -> None:
    last = step(1, status="success")

    assert committed_steps([last, step(2)], running(2, last)) == [last]
    assert committed_steps([last, step(2)], Outcome("cancelled", "cancelled", last_step=last)) == [last]
    assert committed_steps([step(1)], Outcome("cancelled", "cancelled")) == []
