"""Where a turn stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import ROLE_APPROVAL, ROLE_ASSISTANT, ROLE_TOOL, Message, ToolCall
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.calls import tool_calls
from services.runs.records import RunRequest
from services.runs.turns.history import Committed, Snapshot, TurnAgent, Window
from services.runs.turns.rules import Rules
from services.runs.turns.settled import Answers, SettledCall, find_answers, settled_steps
from services.runs.turns.tally import Tally


@dataclass
class Progress:
    """The conversation as the model sees it next, and what the turn has come to so far.

    `settled` are the calls since its input that are done with, by step; `answers` what the client said to calls.
    """

    agent: TurnAgent
    window: list[Message]
    tools: Mapping[str, ToolDefinition]
    client_tools: Sequence[ToolDefinition]
    environment: Mapping[str, str]
    step: int
    step_id: str
    window_version: int
    rules: Rules
    answers: Answers
    settled: list[list[SettledCall]]
    tally: Tally
    tools_used: dict[str, None] = field(default_factory=dict)

    @classmethod
    def begin(cls, snapshot: Snapshot, request: RunRequest, tally: Tally) -> "Progress":
        """At the point that the snapshot shows; steps are counted in the tally."""
        return cls(
            agent=snapshot.agent,
            window=list(snapshot.window),
            tools=_by_name(snapshot.tools, request.client_tools),
            client_tools=request.client_tools,
            environment=snapshot.environment,
            step=snapshot.next_step,
            step_id=snapshot.next_step_id,
            window_version=snapshot.window_version,
            rules=Rules.read(snapshot.agent.tool_rules),
            answers=find_answers(snapshot.window),
            settled=settled_steps(snapshot.window),
            tally=tally,
        )

    @property
    def offered(self) -> Mapping[str, ToolDefinition]:
        """The tools that the rules let the model call next."""
        allowed = self.rules.allowed(self.settled, self.tools)
        return {name: tool for name, tool in self.tools.items() if name in allowed}

    @property
    def demanded(self) -> set[str]:
        """The tools of which the rules want one called before the turn may end."""
        return self.rules.demanded(self.settled, self.tools)

    @property
    def must_call(self) -> bool:
        """Whether the rules want a tool called before the turn may end."""
        return bool(self.demanded)

    def advance(self, committed: Committed) -> None:
        """A step was stored."""
        place = _place(self.window, committed.messages)
        self.window[place:place] = committed.messages
        self.settled += settled_steps(committed.messages, self.answers)
        if committed.system is not None:
            self.window[:1] = [committed.system]
        if committed.tools is not None:
            self.tools = _by_name(committed.tools, self.client_tools)
        self.step = committed.next_step
        self.step_id = committed.next_step_id
        self.window_version = committed.window_version

    def shrink(self, window: Window) -> None:
        """The window was compacted."""
        self.window = list(window.messages)
        self.window_version = window.version

    def note_tools(self, calls: Sequence[ToolCall]) -> None:
        """Remembers which tools were called, by id."""
        used = (self.tools[call.name].id for call in calls if call.name in self.tools)
        self.tools_used.update(dict.fromkeys(tool_id for tool_id in used if tool_id))

    def requested_calls(self, step_id: str) -> list[ToolCall]:
        """The calls of a step in the window, in the model's order."""
        asked = (each for each in self.window if each.step_id == step_id and each.role == ROLE_ASSISTANT)
        return [call for message in asked for call in tool_calls(message)]


def _place(window: Sequence[Message], stored: Sequence[Message]) -> int:
    """Where stored messages belong: at the end, but the returns of answered calls right after those and the answers."""
    if not stored or stored[0].role != ROLE_TOOL:
        return len(window)
    step_id = stored[0].step_id
    asking = [index for index, one in enumerate(window) if one.role == ROLE_ASSISTANT and one.step_id == step_id]
    if not asking:
        return len(window)
    after = asking[-1] + 1
    while after < len(window) and window[after].role == ROLE_APPROVAL:
        after += 1
    return after


def _by_name(tools: Sequence[ToolDefinition], client_tools: Sequence[ToolDefinition]) -> dict[str, ToolDefinition]:
    """The tools of a request: those of the client beat the agent's own of the same name."""
    return {tool.name: tool for tool in (*tools, *client_tools)}
