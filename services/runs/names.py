"""The public names of the values that messages and events carry as numbers."""

from typing import cast

from perdure.conversation.v1.message_pb2 import StopReason as StopReasonValue
from perdure.runs.v1.run_pb2 import RunStatus as RunStatusValue
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
