"""Models, as the turn loop asks them."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from perdure.conversation.v1.message_pb2 import Message, Part, Usage
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from perdure.runs.v1.run_pb2 import MessageDelta
from services.runs.records import ModelInfo

ToolChoice = Literal["auto", "required", "none"]
Finish = Literal["stop", "tool_calls", "length", "content_filter"]


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. `context_window` overrides the model's own, in tokens; 0 does not."""

    organization_id: str
    model: str
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition]
    settings: ModelSettings
    tool_choice: ToolChoice
    context_window: int
    agent_id: str
    run_id: str
    step_id: str


@dataclass(frozen=True)
class Completion:
    """A whole answer. `retries`: how often its provider was asked again."""

    parts: Sequence[Part]
    finish: Finish
    usage: Usage = field(default_factory=Usage)
    model: ModelInfo = field(default_factory=ModelInfo)
    retries: int = 0


class Model(Protocol):
    """Answers prompts, in pieces."""

    async def check(self, organization_id: str, handle: str) -> None:
        """Raises `NotFound` or `InvalidArgument` for the handle of no model."""

    def complete(self, prompt: Prompt, message_id: str) -> AsyncGenerator[list[MessageDelta] | Completion, None]:
        """Batches of deltas of the message, then the whole answer. Closing the iterator ends the call."""
