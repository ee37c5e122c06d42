"""The public names of the values that messages and events carry as numbers."""

from typing import cast

from perdure.conversation.v1.message_pb2 import StopReason as StopReasonValue
from perdure.runs.v1.run_pb2 import RunStatus as RunStatusValue
from perdure.runs.v1.run_service_pb2 import OnBusy as OnBusyValue
from services.contract.on_busy import OnBusy
from services.contract.runs import RunStatus
from services.contract.stop_reasons import StopReason


def status_value(status: RunStatus) -> RunStatusValue.ValueType:
    """`completed` as RUN_STATUS_COMPLETED."""
    return RunStatusValue.Value(f"RUN_STATUS_{status.upper()}")


def status_name(status: RunStatusValue.ValueType) -> RunStatus:
    """RUN_STATUS_COMPLETED as `completed`."""
    return cast(RunStatus, RunStatusValue.Name(status).removeprefix("RUN_STATUS_").lower())


def stop_reason_value(reason: StopReason) -> StopReasonValue.ValueType:
    """`end_turn` as STOP_REASON_END_TURN."""
    return StopReasonValue.Value(f"STOP_REASON_{reason.upper()}")


def stop_reason_name(reason: StopReasonValue.ValueType) -> StopReason:
    """STOP_REASON_END_TURN as `end_turn`."""
    return cast(StopReason, StopReasonValue.Name(reason).removeprefix("STOP_REASON_").lower())


def on_busy_value(policy: OnBusy | None) -> OnBusyValue.ValueType:
    """`enqueue` as ON_BUSY_ENQUEUE."""
    return OnBusyValue.Value(f"ON_BUSY_{policy.upper() if policy else 'UNSPECIFIED'}")


def on_busy_name(policy: OnBusyValue.ValueType) -> OnBusy | None:
    """ON_BUSY_ENQUEUE as `enqueue`."""
    return cast(OnBusy, OnBusyValue.Name(policy).removeprefix("ON_BUSY_").lower()) if policy else None
