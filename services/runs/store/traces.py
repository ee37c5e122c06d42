"""Traces and counters in Postgres."""

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import func, select, text

from services.common.database import Database
from services.runs.records import ACTIVE_STATUSES
from services.runs.tables import counters, replicas, runs, trace_events
from services.runs.trace.events import TraceEvent
from services.runs.trace.metrics import Gauges, Sample

SWEPT = 10_000  # events deleted at once; the next look takes the next ones
_BEATS = text("interval '5 seconds'")  # as long since its last heartbeat a process counts as living

_ADD = text(
    """
    WITH counted AS (
        INSERT INTO runs.counters AS counters (name, labels, value)
        SELECT name, labels, value
        FROM unnest(CAST(:names AS text[]), CAST(:labels AS text[]), CAST(:values AS float8[]))
            AS new (name, labels, value)
        ORDER BY name, labels
        ON CONFLICT (name, labels) DO UPDATE SET value = counters.value + excluded.value
    )
    INSERT INTO runs.trace_events
        (organization_id, run_id, attempt, owner, kind, began_at, ended_at, step_id, detail)
    SELECT * FROM unnest(
        CAST(:organization_ids AS text[]), CAST(:run_ids AS text[]), CAST(:attempts AS int[]), CAST(:owners AS text[]),
        CAST(:kinds AS text[]), CAST(:began_ats AS timestamptz[]), CAST(:ended_ats AS timestamptz[]),
        CAST(:step_ids AS text[]), CAST(:details AS jsonb[])
    )
    """
)
_SWEEP = text(
    """
    WITH forgotten AS (
        DELETE FROM runs.tool_calls WHERE ctid = ANY (ARRAY(
            SELECT call.ctid FROM runs.tool_calls call
            WHERE call.opened_at < now() - make_interval(secs => :kept_s)
                AND NOT EXISTS (
                    SELECT FROM runs.runs run WHERE run.id = call.run_id AND run.status IN ('created', 'running'))
            ORDER BY call.opened_at LIMIT :swept
        ))
    )
    DELETE FROM runs.trace_events WHERE id IN (
        SELECT id FROM runs.trace_events WHERE began_at < now() - make_interval(secs => :kept_s)
        ORDER BY began_at LIMIT :swept
    )
    """
)


class PostgresTraces:
    """Every method is one statement in a transaction of its own, unless it says otherwise."""

    def __init__(self, database: Database, kept_days: float) -> None:
        self._database = database
        self._kept_days = kept_days

    async def write(self, events: Sequence[TraceEvent], samples: Mapping[Sample, float]) -> None:
        """Adds events, and adds to counters."""
        values = {
            "names": [sample.name for sample in samples],
            "labels": [orjson.dumps(sample.labels).decode() for sample in samples],
            "values": list(samples.values()),
            "organization_ids": [event.organization_id for event in events],
            "run_ids": [event.run_id for event in events],
            "attempts": [event.attempt for event in events],
            "owners": [event.owner for event in events],
            "kinds": [event.kind for event in events],
            "began_ats": [event.began_at for event in events],
            "ended_ats": [event.ended_at for event in events],
            "step_ids": [event.step_id for event in events],
            "details": [orjson.dumps(event.detail).decode() for event in events],
        }
        async with self._database.begin() as connection:
            await connection.execute(_ADD, values)

    async def sweep(self) -> None:
        """Deletes the oldest of the events that are kept no longer, and of the tool calls of runs that have ended."""
        async with self._database.begin() as connection:
            await connection.execute(_SWEEP, {"kept_s": self._kept_days * 86_400, "swept": SWEPT})

    async def of_run(self, organization_id: str, run_id: str, limit: int) -> list[TraceEvent]:
        """The first events of a run, in the order in which they ended."""
        statement = (
            select(trace_events)
            .where(trace_events.c.organization_id == organization_id, trace_events.c.run_id == run_id)
            .order_by(trace_events.c.ended_at, trace_events.c.id)
            .limit(limit)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return [TraceEvent(**{name: row[name] for name in TraceEvent.__dataclass_fields__}) for row in rows]

    async def samples(self) -> dict[Sample, float]:
        """All counters."""
        async with self._database.begin() as connection:
            rows = (await connection.execute(select(counters))).all()
        return {Sample(row.name, tuple(map(tuple, orjson.loads(row.labels)))): row.value for row in rows}

    async def gauges(self) -> Gauges:
        """How things stand. Three statements."""
        is_active = runs.c.status.in_(ACTIVE_STATUSES)
        by_status = select(runs.c.status, func.count()).where(is_active).group_by(runs.c.status)
        in_line = runs.c.line_place.is_not(None)  # for its conversation; the others wait for a process
        oldest = func.min(runs.c.created_at).filter(~in_line)
        age = func.coalesce(func.extract("epoch", func.clock_timestamp() - oldest), 0)
        counts = (func.count().filter(~in_line), func.count().filter(in_line), age)
        waiting = select(*counts).where(is_active, runs.c.owner.is_(None))
        living = select(func.count()).where(replicas.c.heartbeat_at > func.clock_timestamp() - _BEATS)
        async with self._database.begin() as connection:
            active = {status: number for status, number in await connection.execute(by_status)}  # noqa: C416  # typed rows
            for_process, for_conversation, oldest_s = (await connection.execute(waiting)).one()
            beating = (await connection.execute(living)).scalar_one()
        return Gauges(
            active_runs=active,
            waiting_runs=for_process,
            runs_in_line=for_conversation,
            oldest_waiting_s=float(oldest_s),
            replicas=beating,
        )
