"""What a turn has come to so far."""

from datetime import UTC, datetime

from perdure.conversation.v1.message_pb2 import Usage
from perdure.conversation.v1.model_pb2 import ModelSettings
from services.runs.records import RunRequest, Step
from services.runs.turns.history import Snapshot, TurnAgent
from services.runs.turns.progress import Progress
from tests.runs.conftest import ORGANIZATION


def test_a_step_that_is_met_again_counts_once() -> None:
    agent = TurnAgent(id="agent-1", model="openai/gpt-4o", settings=ModelSettings(), context_window=0)
    snapshot = Snapshot(agent, window=[], tools=[], next_step=1, next_step_id="step-1", window_version=1)
    progress = Progress.begin(snapshot, RunRequest(ORGANIZATION, "user-1", "conv-1"))
    step = Step(
        id="step-1",
        organization_id=ORGANIZATION,
        run_id="run-1",
        agent_id="agent-1",
        number=1,
        attempt=1,
        created_at=datetime(2026, 3, 9, tzinfo=UTC),
        status="pending",
        usage=Usage(total_tokens=7),
    )

    progress.count(step)
    progress.count(step)

    assert [row.id for row in progress.rows] == ["step-1"]
    assert progress.usage.total_tokens == 7
