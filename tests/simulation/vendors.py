"""A model and tools whose every answer a seed decides."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import orjson

from perdure.conversation.v1.message_pb2 import (
    TOOL_STATUS_ERROR,
    TOOL_STATUS_SUCCESS,
    Part,
    ToolCall,
    ToolReturn,
    Usage,
)
from perdure.conversation.v1.model_pb2 import TOOL_KIND_CLIENT, ToolDefinition
from perdure.runs.v1.run_pb2 import MessageDelta
from services.common.errors import OutOfRange, Unavailable
from services.runs.turns.model import Completion, Prompt
from services.runs.turns.tools import CallContext, OutputListener
from tests.simulation.network import Host, Network
from tests.simulation.pairing import broken_rules

ONCE, SAFE, CAREFUL, MEMORY, AT_CLIENT, UNKNOWN = "roll", "look", "careful_roll", "core_memory_append", "ask", "nothing"
NAMES = (ONCE, SAFE, CAREFUL, MEMORY, AT_CLIENT, UNKNOWN)
CLIENT_TOOL = ToolDefinition(name=AT_CLIENT, description="Asks.", parameters="{}", kind=TOOL_KIND_CLIENT)
CALM = "Are you still there?"  # the input that gets plain text


class Overflow(OutOfRange):
    """The prompt is over the window."""

    reason = "LLM_CONTEXT_WINDOW"


class Overloaded(Unavailable):
    """The provider has no capacity."""

    reason = "LLM_OVERLOADED"


@dataclass
class Vendors:
    """What all processes share: what was asked, and what the tools did. `problems` are prompts that broke a rule."""

    network: Network
    executed: Counter[str] = field(default_factory=Counter)  # by call id, of tools that act
    problems: list[str] = field(default_factory=list)
    asked: int = 0
    _calls: int = 0

    async def complete(self, prompt: Prompt) -> Completion:
        """An answer, or a failure."""
        self.asked += 1
        self.problems += broken_rules(prompt.messages)
        if prompt.messages[-1].parts and prompt.messages[-1].parts[0].text == CALM:
            return self._says("yes")
        chance = self.network.random.random()
        if chance < 0.05:
            raise Overflow("too long")
        if chance < 0.1:
            raise Overloaded("no capacity")
        if chance < 0.55:
            return self._says("so it is")
        return self._calls_tools(self.network.random.choices(NAMES, k=self.network.random.randint(1, 3)), chance)

    async def execute(self, call: ToolCall) -> ToolReturn:
        """What a call gives."""
        if call.name == ONCE:
            self.executed[call.id] += 1
        failed = self.network.random.random() < 0.1
        status = TOOL_STATUS_ERROR if failed else TOOL_STATUS_SUCCESS
        return ToolReturn(call_id=call.id, name=call.name, value="6", status=status, executed=True)

    def _says(self, text: str) -> Completion:
        return Completion([Part(text=text)], "stop", Usage(total_tokens=10))

    def _calls_tools(self, names: Sequence[str], chance: float) -> Completion:
        parts = [Part(text="let me see")] if chance > 0.9 else []
        for name in names:
            self._calls += 1
            arguments = {"label": "human", "content": "x"} if name == MEMORY else {}
            call = ToolCall(id=f"call_{self._calls}", name=name, arguments=orjson.dumps(arguments).decode())
            parts.append(Part(tool_call=call))
        return Completion(parts, "tool_calls", Usage(total_tokens=20))


@dataclass(frozen=True)
class RemoteModel:
    """The model as one process reaches it."""

    host: Host
    vendors: Vendors

    async def check(self, organization_id: str, handle: str) -> None:
        """Every model is there."""

    async def complete(self, prompt: Prompt, message_id: str) -> AsyncGenerator[list[MessageDelta] | Completion, None]:
        """One piece, when it is delivered."""
        yield await self.vendors.network.send(self.host, "Complete", lambda: self.vendors.complete(prompt))


@dataclass(frozen=True)
class RemoteTools:
    """The tools as one process reaches them."""

    host: Host
    vendors: Vendors

    async def execute(
        self, tool: ToolDefinition, call: ToolCall, context: CallContext, listener: OutputListener
    ) -> ToolReturn:
        """The return, when it is delivered."""
        done: ToolReturn = await self.vendors.network.send(
            self.host, f"Execute {call.name}", lambda: self.vendors.execute(call), repeats=tool.idempotent
        )
        return done
