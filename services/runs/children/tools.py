"""The tools with which agents talk to other agents."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_ERROR, TOOL_STATUS_SUCCESS, ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import TOOL_KIND_AGENT, ToolDefinition
from services.runs.children.arguments import OneReceiver, TaggedReceivers, read_arguments
from services.runs.children.delivery import Delivery, Undeliverable
from services.runs.children.letter import Letter
from services.runs.turns.tools import CallContext, OutputListener, Tools

ASK = "send_message_to_agent_and_wait_for_reply"
TELL = "send_message_to_agent_async"
ASK_TAGGED = "send_message_to_agents_matching_tags"
MAX_RECEIVERS = 50  # agents that one call sends to

Entry = dict[str, str | list[str]]


class Directory(Protocol):
    """Where agents are found."""

    async def find_tagged(
        self, organization_id: str, *, match_all: Sequence[str], match_some: Sequence[str], limit: int
    ) -> Sequence[str]:
        """The ids of the agents with all of some tags and one of others, up to `limit`."""


class AgentTools:
    """Carries these tools out, and leaves all others to the tools service.

    A call that is made again finds the runs that it started before, so every one of them is idempotent.
    """

    def __init__(self, others: Tools, delivery: Delivery, directory: Directory) -> None:
        self._others = others
        self._delivery = delivery
        self._directory = directory

    async def execute(
        self, tool: ToolDefinition, call: ToolCall, context: CallContext, listener: OutputListener
    ) -> ToolReturn:
        """Carries one call out."""
        if tool.kind != TOOL_KIND_AGENT:
            return await self._others.execute(tool, call, context, listener)
        returned = ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_SUCCESS, executed=True)
        try:
            returned.value = _cut(await self._act(call, context), tool.return_char_limit)
        except Undeliverable as problem:
            returned.status = TOOL_STATUS_ERROR
            returned.value = f"Error executing function {call.name}: {problem}"
        returned.ended_at.GetCurrentTime()
        return returned

    async def _act(self, call: ToolCall, context: CallContext) -> str:
        if call.name == ASK_TAGGED:
            return await self._ask_tagged(read_arguments(TaggedReceivers, call), call.id, context)
        sent = read_arguments(OneReceiver, call)
        awaits_reply = call.name == ASK
        letter = Letter(context, call.id, sent.other_agent_id, sent.message, awaits_reply)
        if awaits_reply:
            return str(await self._ask(letter))
        await self._delivery.send(letter)
        return f"The message is with {letter.receiver_id}."

    async def _ask(self, letter: Letter) -> Entry:
        return {"agent_id": letter.receiver_id, "response": await self._delivery.ask(letter)}

    async def _ask_tagged(self, sent: TaggedReceivers, call_id: str, context: CallContext) -> str:
        if not sent.match_all and not sent.match_some:
            raise Undeliverable("Name at least one tag in match_all or match_some.")
        found = await self._directory.find_tagged(
            context.organization_id, match_all=sent.match_all, match_some=sent.match_some, limit=MAX_RECEIVERS + 2
        )
        receivers = [agent_id for agent_id in found if agent_id != context.agent_id]
        if len(receivers) > MAX_RECEIVERS:
            raise Undeliverable(f"More than {MAX_RECEIVERS} agents have these tags. Name further tags.")
        letters = [Letter(context, call_id, agent_id, sent.message, awaits_reply=True) for agent_id in receivers]
        answers = await asyncio.gather(*map(self._ask, letters), return_exceptions=True)
        return str([_entry(letter, answer) for letter, answer in zip(letters, answers, strict=True)])


def _entry(letter: Letter, answer: Entry | BaseException) -> Entry:
    """What came of one letter of many: one that does not arrive is told beside the others' answers."""
    if isinstance(answer, Undeliverable):
        return {"agent_id": letter.receiver_id, "error": str(answer)}
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _cut(value: str, limit: int) -> str:
    if not limit or len(value) <= limit:
        return value
    return f"{value[:limit]}… [function output was truncated: these are the first {limit} of {len(value)} characters]"
