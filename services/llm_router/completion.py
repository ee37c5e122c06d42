"""What a model says, as it arrives and as a whole."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

from perdure.conversation.v1.message_pb2 import Part, Usage


class Finish(Enum):
    """Why a model stopped."""

    STOP = "stop"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


class Delta(NamedTuple):
    """More of one part: `part` is its index in the completion. Only a call's first delta has its `name`."""

    part: int
    kind: Literal["text", "reasoning", "call"]
    text: str
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True)
class Completion:
    """The whole answer; the last event of a call that succeeds. `retries`: how often it was repeated before."""

    parts: tuple[Part, ...]
    finish: Finish
    usage: Usage
    response_id: str = ""
    retries: int = 0


Event: TypeAlias = Delta | Completion
Vector: TypeAlias = list[float]
