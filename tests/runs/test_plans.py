"""How Postgres finds the runs of requests that come again."""

from typing import Any

import pytest
from sqlalchemy import text

from services.runs.records import RunRequest
from services.runs.store.repeated import repeated
from tests.runs.conftest import ORGANIZATION, Replica, World
from tests.runs.fake_services import user

RUNS = 20_000  # a tenth of them in one conversation

FILL = text(
    """
    INSERT INTO runs.runs (id, organization_id, user_id, agent_id, conversation_id, status, request, request_hash,
        request_id, otid, background, run_type, request_config, attempt, created_at, completed_at)
    SELECT 'run-' || n, :organization_id, 'user', 'agent', 'conv-' || n % 10, 'completed', '', sha256(n::text::bytea),
        'request-' || n, 'otid-' || n, true, 'send_message', '{}', 1, now() - n * interval '1 second', now()
    FROM generate_series(1, :runs) AS n
    """
)


@pytest.fixture
async def filled(replica: Replica) -> Replica:
    async with replica.engine.begin() as connection:
        await connection.execute(FILL, {"organization_id": ORGANIZATION, "runs": RUNS})
        await connection.execute(text("ANALYZE runs.runs"))
    return replica


async def plan_of(replica: Replica, statement: Any) -> str:
    """The plan of a select, and what it took."""
    compiled = statement.compile(dialect=replica.engine.dialect, compile_kwargs={"render_postcompile": True})
    values = [compiled.params[name] for name in compiled.positiontup]
    async with replica.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection  # Any: asyncpg's own, untyped
        lines = await driver.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {compiled}", *values)
    return "\n".join(line[0] for line in lines)


@pytest.mark.parametrize(
    ("fields", "index"),
    [
        ({"request_id": "request-7"}, "runs_by_request_id"),
        ({"background": True, "input": (user("hi", otid="otid-7"),)}, "runs_by_otid"),
        ({"retry_count": 1}, "runs_of_conversation"),
    ],
)
async def test_each_way_to_know_a_request_again_has_its_index(
    filled: Replica, world: World, fields: dict[str, Any], index: str
) -> None:
    request: RunRequest = world.request(conversation_id="conv-7", **fields)

    plan = await plan_of(filled, repeated(request))

    assert index in plan, plan
    assert "Seq Scan" not in plan, plan
