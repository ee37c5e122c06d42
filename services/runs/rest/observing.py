"""The REST operations that tell what happens: traces of runs, and figures for Prometheus."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from perdure.runs.v1 import rest_pb2 as queries
from services.common.caller import Caller
from services.common.rest import Stream
from services.contract import traces as public
from services.runs.rest.resources import check_run_id
from services.runs.runs import Runs
from services.runs.trace.events import TraceEvent
from services.runs.trace.metrics import CONTENT_TYPE, Gauges, Sample, print_metrics
from services.runs.trace.reading import complete

MOST_EVENTS = 5_000  # of one run that are read; as many as can be asked for


class Traces(Protocol):
    """Where traces and counters are kept."""

    async def of_run(self, organization_id: str, run_id: str, limit: int) -> Sequence[TraceEvent]:
        """The first events of a run, in the order in which they ended."""

    async def samples(self) -> Mapping[Sample, float]:
        """All counters."""

    async def gauges(self) -> Gauges:
        """How things stand."""


class ObserveOperations:
    """Tells what happens."""

    def __init__(self, runs: Runs, traces: Traces) -> None:
        self._observed = runs
        self._traces = traces

    async def get_run_trace(self, caller: Caller, query: queries.GetRunTraceQuery, _: None) -> list[public.TraceEvent]:
        """What happened to a run."""
        check_run_id(query.run_id)
        run = await self._observed.get(caller.organization_id, query.run_id)
        written = await self._traces.of_run(run.organization_id, run.id, MOST_EVENTS)
        return [_print(event) for event in complete(run, written)[: query.limit]]

    async def get_metrics(self, _: Caller, __: queries.GetMetricsQuery, ___: None) -> Stream:
        """All figures."""
        return Stream(CONTENT_TYPE, self._metrics())

    async def _metrics(self) -> AsyncGenerator[bytes, None]:
        yield print_metrics(await self._traces.samples(), await self._traces.gauges())


def _print(event: TraceEvent) -> public.TraceEvent:
    return public.TraceEvent(
        kind=event.kind,
        attempt=event.attempt,
        owner=event.owner,
        step_id=event.step_id or None,
        began_at=event.began_at,
        ended_at=event.ended_at,
        took_ms=round(event.took_s * 1000, 3),
        detail=dict(event.detail),
    )
