"""Traces of runs as OpenTelemetry spans, sent to a collector by OTLP over HTTP.

A run is one trace: its id is the run's, so that the spans of all processes that had a share in it come together.
https://opentelemetry.io/docs/specs/otel/trace/sdk/
"""

import uuid
from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context

from services.runs.trace.events import TraceEvent

FAILED = frozenset({"failed", "error"})


class RunSpans:
    """Makes a span of each event. `close` sends what is left."""

    def __init__(self, owner: str, exporter: SpanExporter | None = None) -> None:
        """Sends to the endpoint that OTEL_EXPORTER_OTLP_ENDPOINT names, unless an exporter is given."""
        self._ids = _Ids()
        resource = Resource.create({"service.name": "perdure-runs", "service.instance.id": owner})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("perdure.runs")

    def tell(self, event: TraceEvent) -> None:
        """Ends a span for an event; the end of a run is the run's own."""
        trace_id = uuid.UUID(event.run_id.removeprefix("run-")).int
        root = SpanContext(trace_id, _span_id(trace_id), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        is_root = event.kind == "end"
        self._ids.upcoming = (root.trace_id, root.span_id) if is_root else None
        span = self._tracer.start_span(
            "run" if is_root else event.kind,
            context=None if is_root else set_span_in_context(NonRecordingSpan(root)),
            start_time=_nanoseconds(event.began_at),
            attributes={
                "perdure.run_id": event.run_id,
                "perdure.attempt": event.attempt,
                "perdure.organization_id": event.organization_id,
                **({"perdure.step_id": event.step_id} if event.step_id else {}),
                **{f"perdure.{name}": _attribute(value) for name, value in event.detail.items()},
            },
        )
        if event.detail.get("status") in FAILED or event.detail.get("outcome", "ok") != "ok":
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(event.ended_at))

    def close(self) -> None:
        """Sends what is left, and stops."""
        self._provider.shutdown()


class _Ids(IdGenerator):
    """Random ids, but for a root span, whose are `upcoming`."""

    def __init__(self) -> None:
        self.upcoming: tuple[int, int] | None = None
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        return self.upcoming[0] if self.upcoming else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        return self.upcoming[1] if self.upcoming else self._random.generate_span_id()


def _span_id(trace_id: int) -> int:
    return trace_id & 0xFFFF_FFFF_FFFF_FFFF


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e9)


def _attribute(value: object) -> str | bool | int | float:
    return value if isinstance(value, str | bool | int | float) else str(value)
