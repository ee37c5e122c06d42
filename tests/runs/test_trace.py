"""Traces of runs and the figures that they add up to, with the real database."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, Message, Part
from services.common.database import Database
from services.common.errors import Internal
from services.runs.limits import Limits
from services.runs.store.traces import PostgresTraces
from services.runs.tables import tool_calls
from services.runs.trace.events import Kind, TraceEvent
from services.runs.trace.journal import Journal
from services.runs.trace.metrics import Gauges, Sample, count, print_metrics
from services.runs.trace.spans import RunSpans
from tests.runs.conftest import ORGANIZATION, TIMEOUT_S, Replica, World, eventually
from tests.runs.fake_services import call, fails, says, tool


async def trace_of(replica: Replica, run_id: str) -> Sequence[TraceEvent]:
    """The trace, once it tells of the end."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            events = await replica.process.traces.of_run(ORGANIZATION, run_id, 1_000)
            if any(event.kind == "end" for event in events):
                return events
            await asyncio.sleep(0.05)


async def test_a_trace_tells_what_was_asked_of_whom(world: World, replica: Replica) -> None:
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)

    events = await trace_of(replica, started.run.id)

    assert [event.kind for event in events] == ["attempt", "model_call", "commit", "end"]
    assert {event.attempt for event in events} == {1}
    assert {event.owner for event in events} == {replica.runs.owner}
    assert events[1].detail["outcome"] == "ok"
    assert events[1].step_id == events[2].step_id
    assert events[3].detail["status"] == "completed"


async def test_a_trace_tells_how_often_a_provider_was_asked_again(world: World, replica: Replica) -> None:
    world.router.script = [fails(Internal("The call of the model failed.", metadata={"retries": "2"}))]
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)

    events = await trace_of(replica, started.run.id)

    assert [event.detail["retries"] for event in events if event.kind == "model_call"] == [2]
    assert sum(added for sample, added in count(events).items() if sample.name == "perdure_model_retries") == 2


async def test_a_trace_tells_of_a_prompt_that_breaks_the_rule_of_pairs(world: World, replica: Replica) -> None:
    lost = Message(id="message-lost", role=ROLE_ASSISTANT, parts=[Part(tool_call=call("quick"))])
    world.agents.histories[world.conversation] = [lost]
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)

    events = await trace_of(replica, started.run.id)

    (problem,) = next(event.detail["problems"] for event in events if event.kind == "repair")
    assert "message-lost" in problem


async def test_counters_add_up_over_processes(world: World, replica: Replica) -> None:
    other = await world.replica()
    before = await replica.process.traces.samples()
    for each in (replica, other):
        started = await each.runs.start(world.request())
        await each.watch(started.run.id)
        await trace_of(each, started.run.id)

    samples = await replica.process.traces.samples()

    ended = Sample("perdure_runs_ended", (("status", "completed"), ("stop_reason", "end_turn")))
    assert samples[ended] - before.get(ended, 0) == 2


async def test_the_figures_can_be_read_by_prometheus(world: World, replica: Replica) -> None:
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)
    events = await trace_of(replica, started.run.id)

    printed = print_metrics(count(events), await replica.process.traces.gauges())

    families = {family.name: family for family in text_string_to_metric_families(printed.decode())}
    assert families["perdure_runs_ended"].samples[0].value == 1
    calls = {sample.name: sample.value for sample in families["perdure_model_call_seconds"].samples}
    assert calls["perdure_model_call_seconds_count"] == 1
    assert families["perdure_replicas"].samples[0].value >= 1


async def test_a_run_in_a_line_does_not_wait_for_a_process(world: World) -> None:
    replica = await world.replica(limits=Limits(slots=1))
    gate = asyncio.Event()
    world.router.script = [says("a", "b", gate=gate)]
    await replica.runs.start(world.request())
    await replica.runs.start(world.request("next", on_busy="enqueue"))
    other = (await replica.runs.start(world.request(conversation_id="conv-other"))).run
    await replica.wait_for(other.id, lambda run: run.owner is None)

    gauges = await replica.process.traces.gauges()

    assert (gauges.waiting_runs, gauges.runs_in_line) == (1, 1)
    assert gauges.oldest_waiting_s > 0


async def test_an_event_that_cannot_be_stored_does_not_end_all_traces(world: World, replica: Replica) -> None:
    run = (await replica.runs.start(world.request())).run
    store = PostgresTraces(Database(replica.engine), kept_days=1)
    journal = Journal(store, "another owner")
    journal.note(run, "repair", problems=["no text for Postgres: \0"])
    writing = asyncio.create_task(journal.run())

    async with asyncio.timeout(TIMEOUT_S):
        while "another owner" not in {event.owner for event in await store.of_run(ORGANIZATION, run.id, 1_000)}:
            journal.note(run, "commit")
            await asyncio.sleep(0.05)

    assert not writing.done()
    writing.cancel()


async def test_old_traces_are_swept(world: World, replica: Replica) -> None:
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)
    await trace_of(replica, started.run.id)

    await PostgresTraces(Database(replica.engine), kept_days=0).sweep()

    assert not await replica.process.traces.of_run(ORGANIZATION, started.run.id, 10)


async def test_the_ledger_is_swept_when_its_run_has_ended(world: World, replica: Replica) -> None:
    world.agents.tools = [tool("quick")]
    gate = asyncio.Event()
    world.router.script = [says("I will", calls=[call("quick")]), says("so it", "is", gate=gate)]
    traces = PostgresTraces(Database(replica.engine), kept_days=0)
    started = await replica.runs.start(world.request())
    await eventually(lambda: len(world.router.requests) == 2)

    await traces.sweep()
    kept = await ledger_of(replica, started.run.id)
    gate.set()
    await replica.watch(started.run.id)
    await traces.sweep()

    assert kept == ["call-1"]
    assert await ledger_of(replica, started.run.id) == []


async def ledger_of(replica: Replica, run_id: str) -> list[str]:
    async with replica.engine.begin() as connection:
        query = select(tool_calls.c.call_id).where(tool_calls.c.run_id == run_id)
        return list(await connection.scalars(query))


async def test_a_run_is_one_trace_of_spans(world: World, replica: Replica) -> None:
    started = await replica.runs.start(world.request())
    await replica.watch(started.run.id)
    exporter = InMemorySpanExporter()
    spans = RunSpans("owner", exporter)

    for event in await trace_of(replica, started.run.id):
        spans.tell(event)
    spans.close()

    finished = {span.name: span for span in exporter.get_finished_spans()}
    assert set(finished) == {"attempt", "model_call", "commit", "run"}
    root = finished["run"].get_span_context()
    assert root is not None
    children = [span.parent for name, span in finished.items() if name != "run"]
    assert [(parent.trace_id, parent.span_id) for parent in children if parent] == [(root.trace_id, root.span_id)] * 3
    assert finished["run"].parent is None


@pytest.mark.parametrize("seconds", [0.001, 0.3, 1e6])
def test_a_time_falls_into_every_bucket_that_is_long_enough(seconds: float) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    event = TraceEvent("org", "run-1", 1, "me", "tool_call", began, began + timedelta(seconds=seconds))

    samples = count([event])

    buckets = {
        dict(sample.labels).get("le"): value for sample, value in samples.items() if sample.name.endswith("seconds")
    }
    assert buckets["+Inf"] == 1
    assert ("0.25" in buckets) is (seconds <= 0.25)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_event_is_counted_and_printed(kind: Kind) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    samples = count([TraceEvent("org", "run-1", 1, "me", kind, now, now)])

    gauges = Gauges(active_runs={}, waiting_runs=0, runs_in_line=0, oldest_waiting_s=0, replicas=1)
    printed = print_metrics(samples, gauges).decode()
    assert "_total{" in printed or "_total 1.0" in printed
