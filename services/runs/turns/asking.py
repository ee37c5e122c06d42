"""Asking the model for a step."""

import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, Message
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.runs.v1.run_pb2 import MessageDelta
from services.common.errors import OutOfRange, PerdureError
from services.common.ids import new_id
from services.common.patience import keep_trying
from services.common.pieces import APPROVALS, CALLS, PieceCounter
from services.runs.events.recorder import Recorder
from services.runs.records import Draft, Run, RunRequest, Step
from services.runs.turns.failures import (
    CONTEXT_WINDOW_EXCEEDED,
    ContextWindowExceeded,
    EmptyAnswer,
    is_interruption,
    is_overflow,
)
from services.runs.turns.history import History
from services.runs.turns.model import Completion, Model, Prompt
from services.runs.turns.plan import needs_client
from services.runs.turns.progress import Progress
from services.runs.turns.prompt import build_prompt
from services.runs.turns.thoughts import ThoughtSplitter

MAX_COMPACTIONS = 3  # times that one step makes room in the window before it gives up
PATIENCE_S = 300.0  # seconds that one step goes on asking a router whose processes die under the call
PAUSE_S = 0.5  # seconds before the router is asked again


class Asker:
    """Gets the model's part of a step, making room in the window where the prompt is too large."""

    def __init__(self, history: History, model: Model, recorder: Recorder) -> None:
        self._history = history
        self._model = model
        self._recorder = recorder

    async def ask(self, run: Run, request: RunRequest, progress: Progress) -> Draft:
        """The model's answer. Raises what the router raises, or `ContextWindowExceeded`."""
        compactions = 0
        if not request.override_model and 0 < progress.agent.context_window < progress.tally.context_tokens:
            await self._compact(run, progress, cause=OutOfRange("The conversation is over the context window."))
        while True:
            try:
                return await self._ask_patiently(run, request, progress)
            except PerdureError as error:
                if not is_overflow(error):
                    raise
                if compactions == MAX_COMPACTIONS:
                    raise _too_large(error) from error
                compactions += 1
                await self._compact(run, progress, cause=error)

    async def _compact(self, run: Run, progress: Progress, *, cause: PerdureError) -> None:
        try:
            window = await self._history.compact(run, progress.window_version)
        except OutOfRange as exc:
            raise _too_large(cause) from exc
        progress.shrink(window)
        progress.tally.context_tokens = 0
        if window.summary is not None and run.shows_summaries:
            self._recorder.messages([window.summary])

    async def _ask_patiently(self, run: Run, request: RunRequest, progress: Progress) -> Draft:
        """What the model answers once the router is there. What was shown of an answer that broke off is void."""

        async def ask() -> Draft:
            try:
                return await self._ask_once(run, request, progress)
            except PerdureError:
                self._recorder.discard()
                raise

        return await keep_trying(ask, is_interruption, patience_s=PATIENCE_S, pause_s=PAUSE_S)

    async def _ask_once(self, run: Run, request: RunRequest, progress: Progress) -> Draft:
        prompt = build_prompt(run, request, progress)
        message_id = new_id("message")
        first_seq = self._recorder.last_seq + 1
        began, clock = datetime.now(UTC), time.monotonic_ns()
        completion = await self._receive(prompt, message_id, progress, shown=not request.without_deltas)
        asked_ns = int(began.timestamp() * 1e9)
        assistant = _assistant(run, prompt, completion, message_id)
        step = Step(
            id=progress.step_id,
            organization_id=run.organization_id,
            run_id=run.id,
            agent_id=progress.agent.id,
            number=progress.step,
            attempt=run.attempt,
            created_at=began,
            status="pending",
            model=completion.model,
            usage=completion.usage,
            first_seq=first_seq,
            last_seq=self._recorder.last_seq,
            step_start_ns=asked_ns,
            llm_request_start_ns=asked_ns,
            llm_request_ns=time.monotonic_ns() - clock,
        )
        return Draft(step, assistant, completion.finish, new_id("message"))

    async def _receive(self, prompt: Prompt, message_id: str, progress: Progress, *, shown: bool) -> Completion:
        marker = _Marker(progress.offered)
        thoughts = ThoughtSplitter() if progress.agent.thinks_aloud else None
        completion: Completion | None = None
        async with aclosing(self._model.complete(prompt, message_id)) as answer:
            async for item in answer:
                deltas = item if isinstance(item, list) else []
                if isinstance(item, Completion):
                    completion = item
                    if thoughts:
                        deltas, parts = thoughts.finish(item.parts, message_id)
                        completion = replace(item, parts=parts)
                elif thoughts:
                    deltas = thoughts.split(item)
                if shown and deltas:
                    self._recorder.deltas(prompt.step_id, marker.mark(deltas))
        if completion is None or not _says_something(completion):
            raise EmptyAnswer(f"{prompt.model} ended its answer without text and without a tool call.")
        return completion


class _Marker:
    """Tells for each delta the piece that it belongs to, and of calls whether they will wait for the client."""

    def __init__(self, tools: Mapping[str, ToolDefinition]) -> None:
        self._tools = tools
        self._pieces = PieceCounter()
        self._waits: dict[str, bool] = {}

    def mark(self, deltas: Sequence[MessageDelta]) -> Sequence[MessageDelta]:
        for delta in deltas:
            group = ""
            if delta.HasField("tool_call"):
                call = delta.tool_call
                call.needs_approval = self._waits.setdefault(call.id, needs_client(call.name, self._tools))
                group = APPROVALS if call.needs_approval else CALLS
            delta.piece_index = self._pieces.number(delta.part_index, group)
        return deltas


def _says_something(completion: Completion) -> bool:
    if completion.finish == "length" and completion.parts:
        return True
    return any(part.text or part.HasField("tool_call") for part in completion.parts)


def _assistant(run: Run, prompt: Prompt, completion: Completion, message_id: str) -> Message:
    message = Message(
        id=message_id,
        role=ROLE_ASSISTANT,
        parts=completion.parts,
        run_id=run.id,
        step_id=prompt.step_id,
        model=completion.model.handle or prompt.model,
        agent_id=prompt.agent_id,
        conversation_id=run.conversation_id,
    )
    message.created_at.GetCurrentTime()
    return message


def _too_large(cause: PerdureError) -> ContextWindowExceeded:
    text = f"{CONTEXT_WINDOW_EXCEEDED}: the prompt does not fit, also after compaction. {cause.detail}"
    return ContextWindowExceeded(text)
