"""The calls of one step: which run beside which, and what one that fails does to the others."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_ERROR, ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ModelSettings
from services.common.database import DatabaseAway
from services.common.errors import InvalidArgument
from services.runs.records import Draft, LedgerCall, Run, RunRequest, Step
from services.runs.turns.calling import ToolCaller
from services.runs.turns.history import Snapshot, TurnAgent
from services.runs.turns.progress import Progress
from services.runs.turns.tally import Tally
from tests.runs.conftest import ORGANIZATION, Replica, World
from tests.runs.fake_services import call, says, tool

RUN = Run(
    id="run-1",
    organization_id=ORGANIZATION,
    user_id="user-1",
    agent_id="agent-1",
    conversation_id="conv-1",
    status="running",
    created_at=datetime(2026, 3, 9, tzinfo=UTC),
    background=False,
    run_type="send_message",
    attempt=1,
)


class LeavingLedger:
    """A ledger whose database is away when the call `last` ends."""

    def __init__(self, last: str) -> None:
        self._last = last
        self.closed: list[str] = []

    async def open_calls(self, run: Run, number: int, calls: Sequence[ToolCall], draft: Draft | None) -> bool:
        return True

    async def close_call(self, run: Run, number: int, result: ToolReturn) -> None:
        if result.call_id == self._last:
            raise DatabaseAway
        self.closed.append(result.call_id)

    async def save(self, run: Run, rows: Sequence[Step]) -> None: ...

    async def draft(self, run: Run, number: int) -> Draft | None: ...

    async def calls(self, run: Run, number: int) -> dict[str, LedgerCall]:
        return {}

    async def of_run(self, organization_id: str, run_id: str) -> Sequence[Step]:
        return []


class Patient:
    """Tools of which "waits" goes on until it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    async def execute(self, definition: Any, made: ToolCall, context: Any, listener: Any) -> ToolReturn:
        if definition.name == "waits":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        return ToolReturn(call_id=made.id)


def progress_with(*names: str) -> Progress:
    agent = TurnAgent(id="agent-1", model="openai/gpt-4o", settings=ModelSettings(), context_window=0)
    tools = [tool(name) for name in names]
    snapshot = Snapshot(agent, window=[], tools=tools, next_step=1, next_step_id="step-1", window_version=1)
    return Progress.begin(snapshot, RunRequest(ORGANIZATION, "user-1", "conv-1"), Tally())


async def test_a_database_that_goes_away_is_told_as_such_and_stops_the_other_calls() -> None:
    tools, ledger = Patient(), LeavingLedger(last="c2")
    caller = ToolCaller(tools, ledger, recorder=None)  # type: ignore[arg-type]  # these tools print nothing
    calls = [call("waits", "c1"), call("ends", "c2")]

    with pytest.raises(DatabaseAway):
        await caller.call(RUN, progress_with("waits", "ends"), calls, "step-1", None)

    assert tools.cancelled
    assert ledger.closed == []


async def test_tools_that_must_run_alone_run_one_after_another_beside_the_others(
    world: World, replica: Replica
) -> None:
    world.agents.tools = [tool("alone", parallel=False), tool("beside")]
    running: set[str] = set()
    together: list[set[str]] = []
    began = {"tool-alone": asyncio.Event(), "tool-beside": asyncio.Event()}

    async def behave(request: Any) -> str:
        running.add(request.call_id)
        together.append(set(running))
        began[request.tool_id].set()
        await asyncio.gather(*(event.wait() for event in began.values()))
        running.discard(request.call_id)
        return str(request.call_id)

    world.tools.behaviour = behave
    calls = [call("alone", "a1"), call("alone", "a2"), call("beside", "b"), call("alone", "a3")]
    world.router.script = [says(calls=calls)]

    events = await replica.watch((await replica.runs.start(world.request())).run.id)

    returns = [part.tool_return.value for event in events for part in event.message.parts]
    assert [call_id for call_id in world.tools.executed if call_id != "b"] == ["a1", "a2", "a3"]
    assert all(len(group - {"b"}) == 1 for group in together if group != {"b"})
    assert {"a1", "b"} in together
    assert returns == ["a1", "a2", "b", "a3"]


async def test_a_call_that_fails_leaves_the_others_alone(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("fails"), tool("works")]

    async def behave(request: Any) -> str:
        if request.tool_id == "tool-fails":
            raise InvalidArgument("It is broken.")
        return "worked"

    world.tools.behaviour = behave
    world.router.script = [says(calls=[call("fails", "c1"), call("works", "c2")])]

    events = await replica.watch((await replica.runs.start(world.request())).run.id)

    failed, worked = [part.tool_return for event in events for part in event.message.parts]
    assert failed.status == TOOL_STATUS_ERROR
    assert "It is broken." in failed.value
    assert worked.value == "worked"
