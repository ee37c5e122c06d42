"""TurnService: the turn protocol as gRPC."""

from dataclasses import replace
from typing import Any

from grpc.aio import ServicerContext

from perdure.agents.v1 import turn_service_pb2 as service
from perdure.agents.v1 import turn_service_pb2_grpc as stubs
from services.agents.turns.active import ActiveTurns
from services.agents.turns.begin import TurnStarter
from services.agents.turns.commit import StepCommitter
from services.agents.turns.compact import TurnCompactor
from services.agents.turns.conversions import from_active, from_committed, from_outcome, from_snapshot, to_end, to_step
from services.agents.turns.end import TurnEnder
from services.agents.turns.turn import Input, Outcome
from services.common.paging import read_page_size

Context = ServicerContext[Any, Any]  # the stubs' own parameters differ from one method to the next


class TurnServicer(stubs.TurnServiceServicer):
    """TurnService."""

    def __init__(
        self,
        starter: TurnStarter,
        committer: StepCommitter,
        ender: TurnEnder,
        compactor: TurnCompactor,
        active: ActiveTurns,
    ) -> None:
        self._starter = starter
        self._committer = committer
        self._ender = ender
        self._compactor = compactor
        self._active = active

    async def BeginTurn(self, request: service.BeginTurnRequest, context: Context) -> service.BeginTurnResponse:
        """Takes the conversation for a run."""
        begun = await self._starter.begin(
            request.organization_id,
            request.run_id,
            attempt=request.attempt,
            conversation_id=request.conversation_id,
            given=Input(request.input, request.approvals, request.approval_request_id),
        )
        if isinstance(begun, Outcome):
            return service.BeginTurnResponse(outcome=from_outcome(begun))
        return service.BeginTurnResponse(snapshot=from_snapshot(begun))

    async def CommitStep(self, request: service.CommitStepRequest, context: Context) -> service.CommitStepResponse:
        """Stores a step."""
        committed = await self._committer.commit(
            request.organization_id, request.run_id, request.attempt, to_step(request)
        )
        return from_committed(committed)

    async def EndTurn(self, request: service.EndTurnRequest, context: Context) -> service.EndTurnResponse:
        """Ends a turn."""
        outcome = await self._ender.end(
            request.organization_id,
            request.run_id,
            attempt=request.attempt,
            conversation_id=request.conversation_id,
            end=replace(to_end(request.end), retracts=request.out_of_context),
        )
        return service.EndTurnResponse(outcome=from_outcome(outcome))

    async def CompactTurn(self, request: service.CompactTurnRequest, context: Context) -> service.CompactTurnResponse:
        """Makes room in the context window."""
        compacted = await self._compactor.compact(
            request.organization_id,
            request.run_id,
            attempt=request.attempt,
            window_version=request.window_version,
            target_tokens=request.target_tokens,
        )
        return service.CompactTurnResponse(
            window=compacted.window, window_version=compacted.window_version, summary=compacted.summary
        )

    async def ListActiveTurns(
        self, request: service.ListActiveTurnsRequest, context: Context
    ) -> service.ListActiveTurnsResponse:
        """Turns that hold their conversations. The token of the next page is the last run's id."""
        size = read_page_size(request.page_size)
        found = await self._active.list(min_age_s=request.min_age_s, after=request.page_token, limit=size)
        token = found[-1].run_id if len(found) == size else ""
        return service.ListActiveTurnsResponse(turns=[from_active(turn) for turn in found], next_page_token=token)
