"""The ways in which programs send to an agent through the SDK."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from letta_client import AsyncLetta
from letta_client.types.agents import Run

from tests.e2e.waiting import eventually

Way = Literal["step", "stream_steps", "stream_tokens", "background", "async"]
WAYS: tuple[Way, ...] = get_args(Way)
FINAL = ("completed", "failed", "cancelled")
CALLING = ("tool_call_message", "approval_request_message")  # whose pieces are kept apart


@dataclass
class Answer:
    """What an agent answered: messages in order, those that came in pieces joined, but for calls."""

    messages: list[Any] = field(default_factory=list)  # Any: the SDK's union of messages
    stop_reason: str = ""
    run_id: str = ""
    usage: Any = None

    @property
    def kinds(self) -> list[str]:
        """The messages' types; those of a message that came in pieces once."""
        found = [(message.id, message.message_type) for message in self.messages]
        return [kind for index, (_, kind) in enumerate(found) if index == 0 or found[index - 1] != found[index]]

    @property
    def waiting(self) -> dict[str, tuple[str, str]]:
        """The calls that wait for the client: names and arguments by id, in order."""
        calls: dict[str, tuple[str, str]] = {}
        for message in self.messages:
            if message.message_type == "approval_request_message":
                given = message.tool_calls if isinstance(message.tool_calls, list) else [message.tool_calls]
                for call in given:
                    name, arguments = calls.get(call.tool_call_id, ("", ""))
                    calls[call.tool_call_id] = (name or call.name or "", arguments + (call.arguments or ""))
        return calls

    @property
    def returns(self) -> list[tuple[str, str, str]]:
        """What calls returned: call ids, statuses and values."""
        messages = [message for message in self.messages if message.message_type == "tool_return_message"]
        return [(one.tool_call_id, one.status, one.tool_return) for each in messages for one in each.tool_returns]

    @property
    def text(self) -> str:
        """What the assistant said."""
        return "".join(one.content for one in self.messages if one.message_type == "assistant_message")

    def only(self, kind: str) -> Any:
        """The one message of a type."""
        (found,) = (message for message in self.messages if message.message_type == kind)
        return found


async def send(client: AsyncLetta, agent_id: str, given: str | list[Any], way: Way = "step", **options: Any) -> Answer:
    """Sends a text or messages in one of the ways and waits for the end of the answer. Options are the SDK's."""
    options |= {"input": given} if isinstance(given, str) else {"messages": given}
    if way == "step":
        response = await client.agents.messages.create(agent_id, **options)
        run_id = next((message.run_id or "" for message in response.messages), "")
        return Answer(list(response.messages), response.stop_reason.stop_reason, run_id, response.usage)
    if way == "async":
        started = await client.agents.messages.create_async(agent_id, **options)
        return await answer_of(client, started.id)
    stream = await client.agents.messages.create(
        agent_id, streaming=True, stream_tokens=way != "stream_steps", background=way == "background", **options
    )
    return join([event async for event in stream])


async def answer_of(client: AsyncLetta, run_id: str) -> Answer:
    """The answer of a run, once it has ended."""
    run = await ended(client, run_id)
    messages = [message async for message in client.runs.messages.list(run_id)]
    answers = [message for message in messages if message.message_type != "user_message"]
    return Answer(answers, run.stop_reason or "", run_id, await client.runs.usage.retrieve(run_id))


async def ended(client: AsyncLetta, run_id: str) -> Run:
    """The run, once it has ended."""

    async def has_ended() -> bool:
        return (await client.runs.retrieve(run_id)).status in FINAL

    await eventually(has_ended)
    return await client.runs.retrieve(run_id)


async def messages_of(client: AsyncLetta, agent_id: str) -> list[Any]:
    """All stored messages of an agent, oldest first."""
    return list((await client.agents.messages.list(agent_id, limit=1000)).items)


async def last_run(client: AsyncLetta, agent_id: str) -> Run:
    """The newest run of an agent."""
    return (await client.runs.list(agent_id=agent_id, limit=1)).items[0]


def join(events: Iterable[Any]) -> Answer:
    """The answer in the events of a stream."""
    answer = Answer()
    for event in events:
        answer.run_id = answer.run_id or getattr(event, "run_id", None) or ""
        if event.message_type == "stop_reason":
            assert not answer.stop_reason, "a second stop reason"
            answer.stop_reason = event.stop_reason
        elif event.message_type == "usage_statistics":
            answer.usage = event
        elif event.message_type != "ping":
            _add(answer.messages, event)
    return answer


def _add(messages: list[Any], event: Any) -> None:
    last = messages[-1] if messages else None
    begun = last is not None and (last.id, last.message_type, last.otid) == (event.id, event.message_type, event.otid)
    if last is None or not begun or event.message_type in CALLING:
        messages.append(event)
    elif event.message_type == "assistant_message":
        last.content += event.content
    elif event.message_type == "reasoning_message":
        last.reasoning += event.reasoning
