"""Tools of the server, as the turn loop calls them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from perdure.conversation.v1.message_pb2 import ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.runs.v1.run_pb2 import ToolOutput


@dataclass(frozen=True)
class CallContext:
    """Who calls, and the variables that tools get in their environment."""

    organization_id: str
    user_id: str
    agent_id: str
    run_id: str
    step_id: str
    environment: Mapping[str, str]


class OutputListener(Protocol):
    """Hears what tools print while they run."""

    def output(self, step_id: str, output: ToolOutput) -> None:
        """A piece of output."""


class Tools(Protocol):
    """Executes tools."""

    async def execute(
        self, tool: ToolDefinition, call: ToolCall, context: CallContext, listener: OutputListener
    ) -> ToolReturn:
        """Carries one call out. Cancelling it kills the tool."""
