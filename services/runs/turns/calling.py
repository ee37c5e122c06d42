"""Carrying out the tool calls of a step."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext

from perdure.conversation.v1.message_pb2 import ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.errors import PerdureError
from services.common.pairing import interruption
from services.runs.events.recorder import Recorder
from services.runs.records import Draft, LedgerCall, Run
from services.runs.turns.failures import is_interruption
from services.runs.turns.heartbeats import without_heartbeat
from services.runs.turns.ledger import Ledger
from services.runs.turns.plan import error_return
from services.runs.turns.progress import Progress
from services.runs.turns.tools import CallContext, Tools

MAX_REPEATS = 3  # times that an idempotent call is made again when its service goes away
PAUSE_S = 0.5  # seconds before that


class RunTaken(Exception):
    """The run has ended by another's hand, or a newer attempt has it."""


class ToolCaller:
    """Makes the calls of a step at once, with a note in the ledger before and after each.

    Those of tools that must not run in parallel wait for each other, in their order, but for no other call.
    """

    def __init__(self, tools: Tools, ledger: Ledger, recorder: Recorder) -> None:
        self._tools = tools
        self._ledger = ledger
        self._recorder = recorder

    async def call(
        self, run: Run, progress: Progress, calls: Sequence[ToolCall], step_id: str, draft: Draft | None
    ) -> Sequence[ToolReturn]:
        """The returns, in the order of the calls. Raises `RunTaken`."""
        if not calls:
            return []
        # What an earlier attempt has begun; before the first there was none.
        begun = await self._ledger.calls(run, progress.step) if run.attempt > 1 else {}
        if not await self._ledger.open_calls(run, progress.step, calls, draft):
            raise RunTaken
        context = CallContext(
            organization_id=run.organization_id,
            user_id=run.user_id,
            agent_id=progress.agent.id,
            run_id=run.id,
            step_id=step_id,
            environment=progress.environment,
        )
        one_by_one = asyncio.Lock()  # lets in whom came first, and tasks start in the order in which they are made

        async def settle(call: ToolCall) -> ToolReturn:
            async with nullcontext() if progress.tools[call.name].parallel else one_by_one:
                return await self._settle(run, progress, call, context, begun=begun.get(call.id))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(settle(call)) for call in calls]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]

    async def _settle(
        self, run: Run, progress: Progress, call: ToolCall, context: CallContext, *, begun: LedgerCall | None
    ) -> ToolReturn:
        tool = progress.tools[call.name]
        if progress.agent.acts_by_calls:
            call = without_heartbeat(call)
        if begun is not None and begun.result is not None:
            return begun.result
        if begun is not None and not tool.idempotent:
            result = error_return(call, interruption(call))
        else:
            result = await self._execute(tool, call, context)
        await self._ledger.close_call(run, progress.step, result)
        return result

    async def _execute(self, tool: ToolDefinition, call: ToolCall, context: CallContext) -> ToolReturn:
        repeats = MAX_REPEATS if tool.idempotent else 0
        while True:
            try:
                return await self._tools.execute(tool, call, context, self._recorder)
            except PerdureError as error:
                if not is_interruption(error):
                    return error_return(call, f"Error: {call.name} cannot be run. {error.detail}")
                if repeats == 0:
                    return error_return(call, interruption(call))
                repeats -= 1
                await asyncio.sleep(PAUSE_S)
