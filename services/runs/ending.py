"""How a run ended: what the last statement stores."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import Usage
from services.contract.runs import RunStatus
from services.contract.stop_reasons import StopReason
from services.runs.records import Failure, Step


@dataclass(frozen=True)
class Ending:
    """The end of a run: its status and reason, and what its steps came to.

    `last_seq` is the number of the last event. `steps` are those whose rows have to be written.
    """

    status: RunStatus
    stop_reason: StopReason
    failure: Failure | None = None
    steps: Sequence[Step] = ()
    steps_committed: int = 0
    usage: Usage = field(default_factory=Usage)
    context_tokens: int = 0
    last_seq: int | None = None
    ttft_ns: int | None = None
    tools_used: Sequence[str] = ()
