"""The REST operations that send to an agent, follow the answer, and cancel it."""

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import orjson

from perdure.conversation.v1.model_pb2 import TOOL_KIND_CLIENT, ToolDefinition
from perdure.runs.v1 import rest_pb2 as queries
from services.common.caller import Caller
from services.common.errors import Conflict, InvalidArgument, NotFound, Unprocessable
from services.common.pieces import Shown
from services.common.rest import EVENT_STREAM, JSON, Stream
from services.contract import runs as public
from services.contract import sending as bodies
from services.runs.records import READ_TIMEOUT_S, Run, RunRequest, Skill
from services.runs.rest.answers import answer_at_end, stream_events
from services.runs.rest.events import EventRenderer
from services.runs.rest.input import read_input
from services.runs.rest.resources import check_run_id, print_run
from services.runs.runs import Runs

MAX_TIMEOUT_S = 86_400.0  # seconds; a longer deadline is none
OWN_HISTORY = "default"  # in place of a conversation's id; the agent's id says the same


class NoActiveRun(InvalidArgument):
    """There is nothing to follow."""


class NothingToCancel(Conflict):
    """There is neither an active run nor a pending approval."""


class SendOperations:
    """Starts runs for HTTP callers. A caller that goes away changes nothing."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def send_message(self, caller: Caller, query: queries.SendMessageQuery, body: bodies.SendRequest) -> Stream:
        """A turn in the agent's own history, as one answer or a stream."""
        return await self._send(caller, query.agent_id, body, agent_id=query.agent_id)

    async def stream_message(
        self, caller: Caller, query: queries.StreamMessageQuery, body: bodies.StreamRequest
    ) -> Stream:
        """A turn in the agent's own history, as a stream."""
        return await self._stream(caller, query.agent_id, body, agent_id=query.agent_id)

    async def send_message_async(
        self, caller: Caller, query: queries.SendMessageAsyncQuery, body: bodies.AsyncSendRequest
    ) -> public.Run:
        """A turn in the agent's own history that nobody waits for. Its run is shown as it was accepted."""
        request = _request(caller, query.agent_id, body, run_type="send_message_async", agent_id=query.agent_id)
        started = await self._runs.start(request)
        return print_run(started.run if started.attached else replace(started.run, status="created"))

    async def send_conversation_message(
        self, caller: Caller, query: queries.SendConversationMessageQuery, body: bodies.ConversationSendRequest
    ) -> Stream:
        """A turn in a conversation."""
        return await self._send(caller, conversation_key(query.conversation_id, body.agent_id), body)

    async def follow_run(self, caller: Caller, query: queries.FollowRunQuery, body: bodies.FollowRequest) -> Stream:
        """The events of a run, from any one on."""
        run = await self._runs.get(caller.organization_id, check_run_id(query.run_id))
        return Stream(EVENT_STREAM, self._follow(caller, run, body))

    async def follow_conversation(
        self, caller: Caller, query: queries.FollowConversationQuery, body: bodies.FollowRequest
    ) -> Stream:
        """The events of a conversation's active run, or of the run that the body names."""
        if body.run_id:
            named = await self._runs.get(caller.organization_id, check_run_id(body.run_id))
            return Stream(EVENT_STREAM, self._follow(caller, named, body))
        conversation = conversation_key(query.conversation_id, body.agent_id)
        if body.otid:
            run = await self._runs.find_by_otid(caller.organization_id, conversation, body.otid)
        else:
            run = await self._runs.find_active(caller.organization_id, conversation)
        if run is None:
            raise NoActiveRun("INVALID_ARGUMENT: No active runs found for this conversation.")
        return Stream(EVENT_STREAM, self._follow(caller, run, body))

    async def cancel_agent_runs(
        self, caller: Caller, query: queries.CancelAgentRunsQuery, body: bodies.CancelRequest
    ) -> dict[str, str]:
        """Stops runs of an agent: the named ones, else all that are active."""
        if body.run_ids:
            return {run_id: await self._cancel_named(caller, run_id) for run_id in body.run_ids}
        cancelled = await self._runs.cancel_agent(caller.organization_id, query.agent_id)
        return _cancelled(cancelled, f"agent {query.agent_id}")

    async def cancel_conversation_runs(
        self, caller: Caller, query: queries.CancelConversationRunsQuery, _: None
    ) -> dict[str, str]:
        """Stops the active run of a conversation."""
        conversation = conversation_key(query.conversation_id, query.agent_id)
        cancelled = await self._runs.cancel_conversation(caller.organization_id, conversation)
        return _cancelled(cancelled, f"conversation {query.conversation_id}")

    async def _cancel_named(self, caller: Caller, run_id: str) -> str:
        try:
            await self._runs.cancel(caller.organization_id, run_id)
        except NotFound:
            return "failed"
        return "cancelled"

    async def _send(self, caller: Caller, conversation: str, body: bodies.SendRequest, *, agent_id: str = "") -> Stream:
        if body.streaming:
            return await self._stream(caller, conversation, body, agent_id=agent_id)
        request = _request(caller, conversation, body, run_type="send_message", agent_id=agent_id)
        return Stream(JSON, self._answer(caller, request))

    async def _stream(
        self, caller: Caller, conversation: str, body: bodies.StreamRequest, *, agent_id: str = ""
    ) -> Stream:
        request = _request(caller, conversation, body, run_type="send_message_streaming", agent_id=agent_id)
        return Stream(EVENT_STREAM, self._answer_in_events(caller, request, pings=body.include_pings is not False))

    async def _answer(self, caller: Caller, request: RunRequest) -> AsyncGenerator[bytes, None]:
        async with self._runs.send(request) as started:
            run = started.run
            if started.attached:  # to a run whose own sender may have wanted its messages in pieces
                events = self._runs.watch_whole(run.organization_id, run.id)
            else:
                events = self._runs.watch(run.organization_id, run.id, 0)
            answer = answer_at_end(events, shown_for(run), read_timeout_s=_patience_s(caller))
            async with aclosing(answer) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _answer_in_events(
        self, caller: Caller, request: RunRequest, *, pings: bool
    ) -> AsyncGenerator[bytes, None]:
        async with self._runs.send(request) as started:
            run = started.run
            events = self._runs.watch(run.organization_id, run.id, 0)
            renderer = EventRenderer(run.id, shown_for(run), pings=pings)
            async with aclosing(stream_events(events, renderer, read_timeout_s=_patience_s(caller))) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _follow(self, caller: Caller, run: Run, body: bodies.FollowRequest) -> AsyncGenerator[bytes, None]:
        """The events of a run that is there. When they were sent, its answer is delivered, as far as can be told."""
        events = self._runs.follow(run.organization_id, run.id, body.starting_after)
        renderer = EventRenderer(run.id, shown_for(run), pings=body.include_pings is not False)
        answer = stream_events(events, renderer, after_seq=body.starting_after, read_timeout_s=_patience_s(caller))
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                yield chunk
        await self._runs.mark_delivered(run.organization_id, run.id)


def conversation_key(conversation_id: str, agent_id: str | None) -> str:
    """The conversation that an id means; "default" needs the agent."""
    if conversation_id != OWN_HISTORY:
        return conversation_id
    if not agent_id:
        problem = {"type": "missing", "loc": ["agent_id"], "msg": "The conversation 'default' needs an agent_id."}
        raise Unprocessable([problem])
    return agent_id


def shown_for(run: Run) -> Shown:
    """How the run's caller wants its messages shown."""
    config = bodies.AnswerShownAs.model_validate(run.request_config)
    types = config.include_return_message_types
    return Shown(
        types=None if types is None else frozenset(types),
        summaries=config.include_compaction_messages,
        speaking_tool=config.assistant_message_tool_name if config.use_assistant_message else "",
        speaking_argument=config.assistant_message_tool_kwarg,
    )


def _patience_s(caller: Caller) -> float:
    """The silence after which the client gives up."""
    return caller.read_timeout_s or math.inf


def _cancelled(run_ids: Sequence[str], where: str) -> dict[str, str]:
    if not run_ids:
        raise NothingToCancel(f"CONFLICT: No active runs to cancel for {where}", should_retry=False)
    return dict.fromkeys(run_ids, "cancelled")


def _request(
    caller: Caller, conversation: str, body: bodies.TurnRequest, *, run_type: str, agent_id: str
) -> RunRequest:
    """`agent_id` is empty for a conversation of its own, whose runs are all of one type."""
    turn = read_input(body.new_messages)
    config = body.model_dump(mode="json", include=set(bodies.AnswerShownAs.model_fields))
    return RunRequest(
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        conversation_id=conversation,
        agent_id=agent_id,
        input=tuple(turn.messages),
        approvals=tuple(turn.approvals),
        approval_request_id=turn.approval_request_id,
        answer_otid=turn.answer_otid,
        client_tools=tuple(_client_tool(tool) for tool in body.client_tools or ()),
        client_skills=tuple(Skill(s.name, s.description, s.location) for s in body.client_skills or ()),
        max_steps=body.max_steps,
        override_model=body.override_model or "",
        override_system=body.override_system or "",
        without_deltas=not body.wants_tokens,
        request_id=caller.idempotency_key,
        background=body.is_background,
        run_type=run_type if agent_id else "send_conversation_message",
        request_config=config,
        callback_url=body.callback,
        retry_count=caller.retry_count,
        approval_expires_s=body.approval_expires_s or 0,
        on_busy=body.on_busy,
        timeout_s=read_request_timeout(caller.request_timeout),
        read_timeout_s=caller.read_timeout_s or READ_TIMEOUT_S,
    )


def read_request_timeout(header: str) -> float:
    """The seconds of an x-request-timeout header; 0 without one. Raises `Unprocessable`."""
    if not header:
        return 0
    try:
        timeout_s = float(header)
    except ValueError:
        timeout_s = 0
    if 0 < timeout_s <= MAX_TIMEOUT_S:
        return timeout_s
    msg = f"x-request-timeout is the seconds that a run may take, above 0 and at most {MAX_TIMEOUT_S:g}."
    raise Unprocessable([{"type": "value_error", "loc": ["header", "x-request-timeout"], "msg": msg}])


def _client_tool(tool: bodies.ClientTool) -> ToolDefinition:
    try:
        parameters = orjson.dumps(tool.parameters or {"type": "object", "properties": {}}).decode()
    except TypeError as exc:
        msg = f"The parameters of {tool.name!r} cannot be sent to a model: {exc}."
        raise Unprocessable([{"type": "value_error", "loc": ["body", "client_tools"], "msg": msg}]) from exc
    return ToolDefinition(
        name=tool.name,
        description=tool.description or "",
        parameters=parameters,
        kind=TOOL_KIND_CLIENT,
        requires_approval=True,
    )
