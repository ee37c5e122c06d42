"""What traces add up to: counters for all processes together, in the form that Prometheus reads."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from services.runs.trace.events import TraceEvent

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")

Labels = tuple[tuple[str, str], ...]

_TEXTS = {
    "perdure_attempts": "Times that a process took a run on.",
    "perdure_takeovers": "Runs taken from processes that died.",
    "perdure_model_calls": "Calls of models.",
    "perdure_model_retries": "Times that a provider was asked again within a call.",
    "perdure_tool_calls": "Calls of tools.",
    "perdure_commits": "Steps and returns stored in histories.",
    "perdure_compactions": "Compactions of context windows during runs.",
    "perdure_repairs": "Histories that had to be mended before a run.",
    "perdure_cancels": "Cancels of runs.",
    "perdure_releases": "Runs given back by a process that stopped.",
    "perdure_supersessions": "Attempts that a newer one took over from.",
    "perdure_runs_ended": "Runs that ended.",
    "perdure_tokens": "Tokens that model providers counted.",
}
_TIMES = {
    "perdure_model_call_seconds": "Seconds of a model call.",
    "perdure_tool_call_seconds": "Seconds of a tool call.",
    "perdure_run_seconds": "Seconds of a run from its acceptance to its end.",
}
_PLURALS = {
    "attempt": "perdure_attempts",
    "takeover": "perdure_takeovers",
    "model_call": "perdure_model_calls",
    "tool_call": "perdure_tool_calls",
    "commit": "perdure_commits",
    "compaction": "perdure_compactions",
    "repair": "perdure_repairs",
    "cancel": "perdure_cancels",
    "release": "perdure_releases",
    "superseded": "perdure_supersessions",
    "end": "perdure_runs_ended",
}
_LABELS = {
    "model_call": ("model", "outcome"),
    "tool_call": ("status",),
    "end": ("status", "stop_reason"),
    "attempt": ("taken_over",),
}


@dataclass(frozen=True)
class Sample:
    """One counter: a name and its labels. A bucket of a histogram has the label `le`, its sum the name `…_sum`."""

    name: str
    labels: Labels = ()


@dataclass(frozen=True)
class Gauges:
    """How things stand at this moment. Ages in seconds."""

    active_runs: Mapping[str, int]  # by status
    waiting_runs: int  # for a process
    runs_in_line: int  # for their conversation
    oldest_waiting_s: float
    replicas: int


def count(events: Iterable[TraceEvent]) -> dict[Sample, float]:
    """What events add to the counters."""
    added: dict[Sample, float] = defaultdict(float)
    for event in events:
        for sample, value in _samples(event):
            added[sample] += value
    return added


def _samples(event: TraceEvent) -> Iterator[tuple[Sample, float]]:
    labels = tuple((name, str(event.detail.get(name, ""))) for name in _LABELS.get(event.kind, ()))
    yield Sample(_PLURALS[event.kind], labels), 1
    if event.kind == "model_call":
        model = ("model", str(event.detail.get("model", "")))
        yield from _observe("perdure_model_call_seconds", (model,), event.took_s)
        if retries := event.detail.get("retries"):
            yield Sample("perdure_model_retries", (model,)), float(retries)
        for kind in ("prompt", "completion"):
            if tokens := event.detail.get(f"{kind}_tokens"):
                yield Sample("perdure_tokens", (model, ("kind", kind))), float(tokens)
    elif event.kind == "tool_call":
        yield from _observe("perdure_tool_call_seconds", (), event.took_s)
    elif event.kind == "end":
        yield from _observe("perdure_run_seconds", (), event.took_s)


def _observe(name: str, labels: Labels, seconds: float) -> Iterator[tuple[Sample, float]]:
    for bound, text in zip((*BOUNDS_S, float("inf")), _BUCKETS, strict=True):
        if seconds <= bound:
            yield Sample(name, (*labels, ("le", text))), 1
    yield Sample(f"{name}_sum", labels), seconds


def print_metrics(samples: Mapping[Sample, float], gauges: Gauges) -> bytes:
    """All figures in Prometheus's text format, https://prometheus.io/docs/instrumenting/exposition_formats/."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected((*_counters(samples), *_histograms(samples), *_gauges(gauges))))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _Collected:
    metrics: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        return self.metrics


def _counters(samples: Mapping[Sample, float]) -> Iterator[Metric]:
    for name, text in _TEXTS.items():
        found = {sample.labels: value for sample, value in samples.items() if sample.name == name}
        names = [label for label, _ in next(iter(found), ())]
        family = CounterMetricFamily(name, text, labels=names)
        for labels, value in sorted(found.items()):
            family.add_metric([value for _, value in labels], value)
        yield family


def _histograms(samples: Mapping[Sample, float]) -> Iterator[Metric]:
    for name, text in _TIMES.items():
        buckets: dict[Labels, dict[str, float]] = defaultdict(dict)
        for sample, value in samples.items():
            if sample.name == name:
                *labels, (_, bound) = sample.labels
                buckets[tuple(labels)][bound] = value
        family = HistogramMetricFamily(name, text, labels=[label for label, _ in next(iter(buckets), ())])
        for found, counts in sorted(buckets.items()):
            total = samples.get(Sample(f"{name}_sum", found), 0.0)
            family.add_metric([value for _, value in found], [(one, counts.get(one, 0.0)) for one in _BUCKETS], total)
        yield family


def _gauges(gauges: Gauges) -> Iterator[Metric]:
    active = GaugeMetricFamily("perdure_runs_active", "Runs that have not ended.", labels=["status"])
    for status, number in sorted(gauges.active_runs.items()):
        active.add_metric([status], number)
    yield active
    yield GaugeMetricFamily("perdure_runs_waiting", "Runs that wait for a process.", value=gauges.waiting_runs)
    yield GaugeMetricFamily("perdure_runs_in_line", "Runs that wait for their conversation.", value=gauges.runs_in_line)
    text = "How long the oldest run that waits for a process has waited."
    yield GaugeMetricFamily("perdure_oldest_waiting_seconds", text, value=gauges.oldest_waiting_s)
    yield GaugeMetricFamily("perdure_replicas", "Processes of the runs service that beat.", value=gauges.replicas)
