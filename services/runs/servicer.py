"""RunService."""

from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext

from perdure.runs.v1 import run_service_pb2 as service
from perdure.runs.v1.run_service_pb2_grpc import RunServiceServicer
from services.runs.conversions import read_request, read_statuses, write_run
from services.runs.records import RunFilter
from services.runs.runs import Runs

Context = ServicerContext[Any, Any]  # Any: the generated base class types it otherwise for each method
DEFAULT_PAGE = 50  # runs
MAX_PAGE = 1000  # runs


class RunServicer(RunServiceServicer):
    """Typed access to runs."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def StartRun(  # as the proto says
        self,
        request: service.StartRunRequest,
        context: Context,
    ) -> service.StartRunResponse:
        """Accepts an input."""
        started = await self._runs.start(read_request(request))
        return service.StartRunResponse(run=write_run(started.run), attached=started.attached)

    async def WatchRun(  # as the proto says
        self,
        request: service.WatchRunRequest,
        context: Context,
    ) -> AsyncIterator[service.WatchRunResponse]:
        """Follows a run."""
        if not request.owned:  # another replica has let its client in
            self._runs.streams.check()
        watched = self._runs.watch_owned if request.owned else self._runs.watch
        with self._runs.streams.held():
            async for events in watched(request.organization_id, request.run_id, request.after_seq):
                yield service.WatchRunResponse(events=events)

    async def GetRun(  # as the proto says
        self, request: service.GetRunRequest, context: Context
    ) -> service.GetRunResponse:
        """One run."""
        return service.GetRunResponse(run=write_run(await self._runs.get(request.organization_id, request.run_id)))

    async def ListRuns(  # as the proto says
        self,
        request: service.ListRunsRequest,
        context: Context,
    ) -> service.ListRunsResponse:
        """A page of runs. The token of the next one is the id of the last run."""
        size = min(request.page_size or DEFAULT_PAGE, MAX_PAGE)
        wanted = RunFilter(
            agent_ids=(request.agent_id,) if request.agent_id else (),
            conversation_id=request.conversation_id,
            statuses=read_statuses(request.statuses),
            after=request.page_token,
            limit=size + 1,
        )
        found = await self._runs.list(request.organization_id, wanted)
        token = found[size - 1].id if len(found) > size else ""
        return service.ListRunsResponse(runs=[write_run(run) for run in found[:size]], next_page_token=token)

    async def CancelRun(  # as the proto says
        self,
        request: service.CancelRunRequest,
        context: Context,
    ) -> service.CancelRunResponse:
        """Stops a run."""
        return service.CancelRunResponse(
            run=write_run(await self._runs.cancel(request.organization_id, request.run_id))
        )
