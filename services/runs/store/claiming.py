"""How a process takes runs that wait for one, or whose owner died."""

from collections.abc import Collection, Sequence

from sqlalchemy import ARRAY, CTE, Text, all_, and_, func, insert, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runs.records import ACTIVE_STATUSES, Claimed
from services.runs.recovery.heartbeat import STALE_S
from services.runs.store.run_rows import SHOWN, read_claimed
from services.runs.tables import replicas, runs, trace_events

STALE = text(f"interval '{STALE_S} seconds'")
_SINCE = func.coalesce(runs.c.claimed_at, runs.c.created_at)


async def claim(
    connection: AsyncConnection, owner: str, mine: Collection[str], limit: int, *, lost: bool
) -> Sequence[Claimed]:
    """Takes waiting runs and the owner's own that it does not know of (`mine`), up to `limit`: one statement.

    `lost`: those whose owner died, too. What is taken from another stands in the trace with the same statement.
    """
    free = _free(owner, mine, limit, lost=lost)
    taken = (
        update(runs)
        .where(runs.c.id == free.c.id)
        .values(
            owner=owner,
            attempt=runs.c.attempt + 1,
            losses=runs.c.losses + func.num_nonnulls(free.c.taken_from),
            status="running",
            claimed_at=func.clock_timestamp(),
        )
        .returning(*SHOWN, runs.c.request, free.c.taken_from, free.c.held_since)
        .cte("taken")
    )
    shown = [column for column in taken.c if column.name != "held_since"]
    return [read_claimed(row) for row in await connection.execute(select(*shown).add_cte(_takeovers(taken)))]


def _free(owner: str, mine: Collection[str], limit: int, *, lost: bool) -> CTE:
    # A run that is stored in this moment is no lost one.
    long_ago = func.clock_timestamp() - STALE > _SINCE
    forgotten = and_(runs.c.owner == owner, runs.c.id != all_(literal(list(mine), ARRAY(Text))), long_ago)
    alive = select(replicas.c.owner).where(
        replicas.c.owner == runs.c.owner, replicas.c.heartbeat_at > func.clock_timestamp() - STALE
    )
    return (
        select(runs.c.id, runs.c.owner.label("taken_from"), _SINCE.label("held_since"))
        .where(
            runs.c.status.in_(ACTIVE_STATUSES),
            runs.c.line_place.is_(None),
            or_(runs.c.owner.is_(None), and_(literal(lost), ~alive.exists()), forgotten),
        )
        .order_by(runs.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("free")
    )


def _takeovers(taken: CTE) -> CTE:
    """Notes from whom runs were taken, and since when those had them."""
    event = {
        "organization_id": taken.c.organization_id,
        "run_id": taken.c.id,
        "attempt": taken.c.attempt,
        "owner": taken.c.owner,
        "kind": literal("takeover"),
        "began_at": taken.c.held_since,
        "ended_at": taken.c.claimed_at,
        "step_id": literal(""),
        "detail": func.jsonb_build_object("taken_from", taken.c.taken_from),
    }
    rows = select(*event.values()).where(taken.c.taken_from.is_not(None))
    return insert(trace_events).from_select(list(event), rows).cte("noted")
