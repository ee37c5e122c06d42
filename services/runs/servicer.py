"""RunService."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from perdure.runs.v1 import run_service_pb2 as service
from perdure.runs.v1.run_service_pb2_grpc import RunServiceServicer
from services.common.paging import read_page_size
from services.runs.conversions import read_request, read_statuses, write_run
from services.runs.records import RunFilter
from services.runs.runs import Runs

Context = ServicerContext[Any, Any]  # Any: the generated base class types it otherwise for each method


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

    async def StreamRun(  # as the proto says
        self,
        request: service.StreamRunRequest,
        context: Context,
    ) -> AsyncIterator[service.StreamRunResponse]:
        """Accepts an input and follows its run."""
        sent = read_request(request.start)
        async with self._runs.send(sent, timeout_s=context.time_remaining()) as started:
            run = write_run(started.run)
            yield service.StreamRunResponse(started=service.StartRunResponse(run=run, attached=started.attached))
            async with aclosing(self._runs.watch(sent.organization_id, run.id, 0)) as watched:
                async for events in watched:
                    yield service.StreamRunResponse(events=events)

    async def WatchRun(  # as the proto says
        self,
        request: service.WatchRunRequest,
        context: Context,
    ) -> AsyncIterator[service.WatchRunResponse]:
        """Follows a run."""
        followed = self._runs.follow(request.organization_id, request.run_id, request.after_seq, owned=request.owned)
        async with aclosing(followed):
            async for events in followed:
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
        size = read_page_size(request.page_size)
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
