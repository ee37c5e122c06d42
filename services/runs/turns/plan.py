"""What is to become of the tool calls in a model's answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from perdure.conversation.v1.message_pb2 import ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import TOOL_KIND_CLIENT, TOOL_KIND_MEMORY, ToolDefinition
from services.common.pairing import failed_return

NO_REFUSALS: Mapping[str, str] = {}


@dataclass(frozen=True)
class CallPlan:
    """The calls of a step, sorted. A call in none of the three runs in the history's own transaction.

    `waiting`: for the client; then nothing else of the step is carried out yet. `refused`: returns of calls that
    cannot be carried out. `executed`: calls for the tools service.
    """

    waiting: Sequence[ToolCall]
    refused: Sequence[ToolReturn]
    executed: Sequence[ToolCall]

    def accepted(self, calls: Iterable[ToolCall]) -> list[ToolCall]:
        """Those of the step's calls that are not refused."""
        refused = {each.call_id for each in self.refused}
        return [call for call in calls if call.id not in refused]


def plan_calls(
    calls: Sequence[ToolCall],
    tools: Mapping[str, ToolDefinition],
    *,
    refusals: Mapping[str, str] = NO_REFUSALS,
    approved: bool = False,
) -> CallPlan:
    """Sorts calls by the tools that are there.

    `refusals` says of calls that break a rule why, by call id. `approved`: the client has been asked already.
    """
    asked = [call for call in calls if needs_client(call.name, tools) and call.id not in refusals]
    waiting = [] if approved else asked
    refused = [error_return(call, text) for call in calls if (text := refusals.get(call.id) or _problem(call, tools))]
    problematic = {each.call_id for each in refused}
    runnable = [call for call in calls if call.id not in problematic and tools[call.name].kind != TOOL_KIND_MEMORY]
    return CallPlan(waiting, refused, runnable)


def needs_client(name: str, tools: Mapping[str, ToolDefinition]) -> bool:
    """Whether calls of a tool wait for the client: to approve them or to make them."""
    tool = tools.get(name)
    return tool is not None and (tool.requires_approval or tool.kind == TOOL_KIND_CLIENT)


def in_order(calls: Iterable[ToolCall], returns: Iterable[ToolReturn]) -> list[ToolReturn]:
    """Returns in the order of their calls; a call may have none."""
    found = {each.call_id: each for each in returns}
    return [found[call.id] for call in calls if call.id in found]


def error_return(call: ToolCall, text: str) -> ToolReturn:
    """The return of a call that was not carried out."""
    returned = failed_return(call, text)
    returned.ended_at.GetCurrentTime()
    return returned


def _problem(call: ToolCall, tools: Mapping[str, ToolDefinition]) -> str:
    tool = tools.get(call.name)
    if tool is None:
        return f"Error: there is no tool {call.name!r}. Valid tools are: {', '.join(sorted(tools)) or 'none'}."
    if tool.kind == TOOL_KIND_CLIENT:  # only met here where the client approved it without a result
        return f"Error: {call.name} runs at the client, which gave no result."
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError as exc:
        return f"Error: the arguments of {call.name} are not valid JSON ({exc}). Call it again with a JSON object."
    if not isinstance(arguments, dict):
        return f"Error: the arguments of {call.name} are not a JSON object. Call it again with one."
    return ""
