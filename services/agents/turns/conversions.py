"""Turns between the domain and the wire."""

from perdure.agents.v1 import turn_service_pb2 as service
from perdure.conversation.v1.message_pb2 import StopReason
from services.agents.turns.active import ActiveTurn
from services.agents.turns.turn import Committed, Heartbeat, Outcome, Snapshot, Step, TurnAgent, TurnEnd, TurnState


def to_end(end: service.TurnEnd) -> TurnEnd:
    """How to end a turn."""
    return TurnEnd(to_state(end.state), stop_reason_name(end.stop_reason), end.error)


def to_state(state: service.TurnState.ValueType) -> TurnState:
    """TURN_STATE_COMPLETED as TurnState.COMPLETED."""
    return TurnState(service.TurnState.Name(state).removeprefix("TURN_STATE_").lower())


def stop_reason_name(reason: StopReason.ValueType) -> str:
    """A stop reason as the public API writes it: STOP_REASON_END_TURN is "end_turn"."""
    return StopReason.Name(reason).removeprefix("STOP_REASON_").lower()


def to_step(request: service.CommitStepRequest) -> Step:
    """The step to store."""
    return Step(
        number=request.step,
        assistant=request.assistant if request.HasField("assistant") else None,
        returns=request.returns,
        tool_message_id=request.tool_message_id,
        usage=request.usage,
        end=to_end(request.end) if request.HasField("end") else None,
        approval_expires_s=request.approval_expires_s,
        heartbeat=_to_heartbeat(request.heartbeat) if request.HasField("heartbeat") else None,
        figures=request.figures.SerializeToString() if request.HasField("figures") else None,
    )


def _to_heartbeat(heartbeat: service.Heartbeat) -> Heartbeat:
    return Heartbeat(heartbeat.message_id, heartbeat.reason)


def from_active(turn: ActiveTurn) -> service.ActiveTurn:
    """A turn that holds its conversation."""
    return service.ActiveTurn(
        organization_id=turn.organization_id, run_id=turn.run_id, conversation_id=turn.conversation_id
    )


def from_outcome(outcome: Outcome) -> service.TurnOutcome:
    """How a turn ended."""
    answer = service.TurnOutcome(
        state=service.TurnState.Value(f"TURN_STATE_{outcome.end.state.upper()}"),
        stop_reason=StopReason.Value(f"STOP_REASON_{outcome.end.stop_reason.upper()}"),
        error=outcome.end.error,
        closing_messages=outcome.closing_messages,
        steps=outcome.steps,
        last_step=_from_figures(outcome.last_step),
    )
    if outcome.ended_at is not None:
        answer.ended_at.FromDatetime(outcome.ended_at)
    return answer


def from_snapshot(snapshot: Snapshot) -> service.TurnSnapshot:
    """All that the turn loop needs to know."""
    request = snapshot.request
    return service.TurnSnapshot(
        agent=_from_agent(snapshot.agent),
        window=snapshot.window,
        input=snapshot.input,
        tools=snapshot.tools,
        next_step=snapshot.next_step,
        next_step_id=snapshot.next_step_id,
        pending_calls=request.pending_calls if request else (),
        known_returns=request.known_returns if request else (),
        pending_step_id=request.step_id if request else "",
        environment=snapshot.environment,
        window_version=snapshot.window_version,
        mended=snapshot.mended,
        opened=snapshot.opened,
        last_step=_from_figures(snapshot.last_step),
    )


def _from_figures(figures: bytes | None) -> service.StepFigures | None:
    return service.StepFigures.FromString(figures) if figures is not None else None


def _from_agent(agent: TurnAgent) -> service.TurnAgent:
    return service.TurnAgent(
        id=agent.id,
        name=agent.name,
        agent_type=agent.agent_type,
        model=agent.model,
        settings=agent.settings,
        context_window=agent.context_window,
        tool_rules=agent.tool_rules,
        thinks_aloud=agent.thinks_aloud,
    )


def from_committed(committed: Committed) -> service.CommitStepResponse:
    """The step as stored."""
    return service.CommitStepResponse(
        messages=committed.messages,
        next_step=committed.next_step,
        next_step_id=committed.next_step_id,
        outcome=from_outcome(committed.outcome) if committed.outcome else None,
        system=committed.system,
        window_version=committed.window_version,
    )
