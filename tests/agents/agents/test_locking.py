"""Changes of an agent while a step of its turn is being stored: nobody waits in a circle.

A step has its conversation locked first and writes to the agent's row last.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from services.agents.memory.store import PostgresBlocks
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.database import Transaction
from tests.agents.service import TIMEOUT_S, Api, Service

_LOCK = text("SELECT id FROM agents.conversations WHERE id = :id FOR UPDATE")
_STORE_END = text("UPDATE agents.agents SET last_stop_reason = 'end_turn' WHERE id = :id")
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@asynccontextmanager
async def storing_a_step(service: Service, agent_id: str) -> AsyncIterator[None]:
    """The block runs while the agent's own history is locked; then the step writes to the agent's row and ends."""
    async with service.database.begin() as tx:
        await tx.execute(_LOCK, {"id": agent_id})
        yield
        await until_someone_waits(tx)
        await tx.execute(_STORE_END, {"id": agent_id})


async def until_someone_waits(tx: Transaction) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await tx.scalar(_WAITING):  # noqa: ASYNC110  # Postgres does not tell
            await asyncio.sleep(0.01)


async def change_during_a_step(service: Service, method: str, agent_id: str, body: Any = None) -> None:
    async with storing_a_step(service, agent_id):
        change = asyncio.create_task(service.api.call(method, body, agent_id=agent_id))
    await change


async def test_an_agent_can_be_deleted_while_a_step_is_stored(service: Service, api: Api) -> None:
    agent = await api.create()

    await change_during_a_step(service, "DeleteAgent", agent["id"])

    assert await api.problem("GetAgent", agent_id=agent["id"]) == (404, f"There is no agent {agent['id']}.")


async def test_a_window_can_be_set_while_a_step_is_stored(service: Service, api: Api) -> None:
    agent = await api.create()
    kept = agent["message_ids"][:1]

    await change_during_a_step(service, "UpdateAgent", agent["id"], {"message_ids": kept})

    assert (await api.call("GetAgent", agent_id=agent["id"]))["message_ids"] == kept


async def test_a_block_can_be_given_to_an_agent_while_a_step_changes_it(service: Service, api: Api) -> None:
    agent, block = await api.create(), await api.call("CreateBlock", {"label": "shared", "value": "v"})

    async with service.database.begin() as tx:
        await PostgresBlocks().find(tx, DEFAULT_ORGANIZATION_ID, [block["id"]], lock=True)
        given = await api.call("AttachCoreMemoryBlock", agent_id=agent["id"], block_id=block["id"])

    assert [each["label"] for each in given["blocks"]] == ["shared"]
