"""Between the domain's records and the typed protos."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from perdure.agents.v1.turn_service_pb2 import FiguresModel, StepFigures
from perdure.conversation.v1.message_pb2 import StopReason as StopReasonProto
from perdure.conversation.v1.message_pb2 import Usage
from perdure.runs.v1 import run_pb2, run_service_pb2
from services.contract.on_busy import OnBusy
from services.contract.runs import RunStatus
from services.contract.stop_reasons import StopReason
from services.runs.names import status_name, status_value, stop_reason_name, stop_reason_value
from services.runs.records import DEFAULT_MAX_STEPS, ModelInfo, Run, RunRequest, Skill, Step
from services.runs.turns.turn import describe_error

USAGE_FIELDS = tuple(field.name for field in Usage.DESCRIPTOR.fields)
_STEP_TIMES = ("step_start_ns", "llm_request_start_ns", "llm_request_ns", "tool_execution_ns")
_NOT_HASHED = ("request_id", "retry_count", "timeout_ms")  # may differ when a client sends the same again


def read_request(proto: run_service_pb2.StartRunRequest) -> RunRequest:
    """The request that a caller sent, or that was stored."""
    return RunRequest(
        organization_id=proto.organization_id,
        user_id=proto.user_id,
        conversation_id=proto.conversation_id,
        agent_id=proto.agent_id,
        input=tuple(proto.input),
        approvals=tuple(proto.approvals),
        approval_request_id=proto.approval_request_id,
        client_tools=tuple(proto.client_tools),
        client_skills=tuple(Skill(s.name, s.description, s.location) for s in proto.client_skills),
        max_steps=proto.max_steps or DEFAULT_MAX_STEPS,
        override_model=proto.override_model,
        override_system=proto.override_system,
        without_deltas=proto.without_deltas,
        request_id=proto.request_id,
        background=proto.background,
        run_type=proto.run_type or "send_message",
        request_config=orjson.loads(proto.request_config) if proto.request_config else {},
        callback_url=proto.callback_url,
        retry_count=proto.retry_count,
        parent_run_id=proto.parent_run_id,
        on_busy=_on_busy_name(proto.on_busy),
        timeout_s=proto.timeout_ms / 1000,
        answer_otid=proto.answer_otid,
        approval_expires_s=proto.approval_expires_s,
    )


def write_request(request: RunRequest) -> run_service_pb2.StartRunRequest:
    """The request as it is stored."""
    return run_service_pb2.StartRunRequest(
        organization_id=request.organization_id,
        user_id=request.user_id,
        conversation_id=request.conversation_id,
        agent_id=request.agent_id,
        input=request.input,
        approvals=request.approvals,
        approval_request_id=request.approval_request_id,
        client_tools=request.client_tools,
        client_skills=[run_service_pb2.ClientSkill(**vars(skill)) for skill in request.client_skills],
        max_steps=request.max_steps,
        override_model=request.override_model,
        override_system=request.override_system,
        without_deltas=request.without_deltas,
        request_id=request.request_id,
        background=request.background,
        run_type=request.run_type,
        request_config=orjson.dumps(request.request_config).decode(),
        callback_url=request.callback_url,
        retry_count=request.retry_count,
        parent_run_id=request.parent_run_id,
        on_busy=_on_busy_value(request.on_busy),
        timeout_ms=math.ceil(request.timeout_s * 1000),
        answer_otid=request.answer_otid,
        approval_expires_s=request.approval_expires_s,
    )


def hash_request(proto: run_service_pb2.StartRunRequest) -> bytes:
    """Equal for what a client sends twice."""
    same = run_service_pb2.StartRunRequest()
    same.CopyFrom(proto)
    for name in _NOT_HASHED:
        same.ClearField(name)  # type: ignore[arg-type]  # names of its own fields
    return hashlib.sha256(same.SerializeToString(deterministic=True)).digest()


def usage_columns(usage: Usage) -> dict[str, int | None]:
    """Token counts by column; None where the provider did not say."""
    named = {field.name: value for field, value in usage.ListFields()}
    counted = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
    return {name: named.get(name, counted.get(name)) for name in USAGE_FIELDS}


def read_usage(row: Mapping[str, Any]) -> Usage:  # Any: a row's columns
    """Token counts of a row."""
    return Usage(**{name: row[name] for name in USAGE_FIELDS})


def write_run(run: Run) -> run_pb2.Run:
    """A run for typed callers."""
    return run_pb2.Run(
        id=run.id,
        agent_id=run.agent_id,
        conversation_id=run.conversation_id,
        status=status_value(run.status),
        stop_reason=_stop_reason(run.stop_reason),
        error=run.failure.detail or run.failure.message if run.failure else "",
        created_at=_timestamp(run.created_at),
        completed_at=_timestamp(run.completed_at),
        background=run.background,
        usage=run.usage,
        steps=run.steps,
        user_id=run.user_id,
        run_type=run.run_type,
        request_config=orjson.dumps(run.request_config).decode() if run.request_config else "",
        otid=run.otid,
        attempt=run.attempt,
        ttft_ns=run.ttft_ns,
        total_duration_ns=run.total_duration_ns,
        failure=describe_error(run.failure) if run.failure else None,
        callback_url=run.callback_url or "",
        callback_sent_at=_timestamp(run.callback_sent_at),
        callback_status_code=run.callback_status_code or 0,
        callback_error=run.callback_error or "",
        tools_used=run.tools_used,
        queue_position=run.queue_position,
    )


def write_figures(step: Step) -> StepFigures:
    """What is known of a step as it is committed."""
    figures = StepFigures(
        id=step.id,
        number=step.number,
        attempt=step.attempt,
        usage=step.usage,
        model=FiguresModel(**vars(step.model)),
        first_seq=step.first_seq,
        step_start_ns=step.step_start_ns,
        llm_request_start_ns=step.llm_request_start_ns,
        llm_request_ns=step.llm_request_ns,
        tool_execution_ns=step.tool_execution_ns,
    )
    figures.created_at.FromDatetime(step.created_at)
    if step.stop_reason:
        figures.stop_reason = stop_reason_value(step.stop_reason)
    return figures


def read_figures(figures: StepFigures, run: Run) -> Step:
    """The committed step, but for the number of its last event and the time that it took: nobody wrote those down."""
    model = figures.model
    return Step(
        id=figures.id,
        organization_id=run.organization_id,
        run_id=run.id,
        agent_id=run.agent_id,
        number=figures.number,
        attempt=figures.attempt,
        created_at=figures.created_at.ToDatetime(tzinfo=UTC),
        status="success",
        model=ModelInfo(**{known.name: getattr(model, known.name) for known in model.DESCRIPTOR.fields}),
        usage=figures.usage,
        stop_reason=stop_reason_name(figures.stop_reason) if figures.stop_reason else None,
        first_seq=figures.first_seq,
        **{name: getattr(figures, name) if figures.HasField(name) else None for name in _STEP_TIMES},  # type: ignore[arg-type]  # names of its own fields
    )


def read_statuses(statuses: Iterable[run_pb2.RunStatus.ValueType]) -> tuple[RunStatus, ...]:
    """Statuses by their public names."""
    return tuple(status_name(status) for status in statuses)


def _stop_reason(reason: StopReason | None) -> StopReasonProto.ValueType:
    return stop_reason_value(reason) if reason else StopReasonProto.STOP_REASON_UNSPECIFIED


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def _on_busy_value(policy: OnBusy | None) -> run_service_pb2.OnBusy.ValueType:
    """`enqueue` as ON_BUSY_ENQUEUE."""
    return run_service_pb2.OnBusy.Value(f"ON_BUSY_{policy.upper() if policy else 'UNSPECIFIED'}")


def _on_busy_name(policy: run_service_pb2.OnBusy.ValueType) -> OnBusy | None:
    """ON_BUSY_ENQUEUE as `enqueue`."""
    return cast(OnBusy, run_service_pb2.OnBusy.Name(policy).removeprefix("ON_BUSY_").lower()) if policy else None
