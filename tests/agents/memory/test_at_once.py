"""Agents that share blocks and change them at the same time: nobody waits in a circle, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from perdure.agents.v1.agent_service_pb2 import BlockChange, ChangeMemoryRequest
from perdure.conversation.v1.message_pb2 import ToolCall
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.database import Transaction
from services.common.errors import Conflict
from services.common.ids import new_id
from services.common.status import rpc_errors
from tests.agents.memory.test_memory_tools import Talk
from tests.agents.service import TIMEOUT_S, Service

LABELS = ("tides", "winds")
TIMES = 5

_LOCK_BLOCK = text("SELECT id FROM agents.blocks WHERE id = :id FOR UPDATE")
_LOCK_SYSTEM = text(
    """
    SELECT id FROM agents.messages WHERE id = (
        SELECT message_id FROM agents.conversation_messages WHERE conversation_id = :id AND position = 0)
    FOR UPDATE
    """
)
_WAITING = text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")


@dataclass(frozen=True)
class Pair:
    """Two agents that got the same two blocks in opposite orders. `block_ids` are in the order of `LABELS`."""

    service: Service
    talks: tuple[Talk, Talk]
    block_ids: list[str]

    async def values(self) -> list[str]:
        """What the blocks hold."""
        return [await self.talks[0].value(label) for label in LABELS]

    async def prompts(self) -> list[str]:
        """The system messages of both."""
        return [await self.service.api.system_message(talk.agent["id"]) for talk in self.talks]

    @asynccontextmanager
    async def holding(self, lock: Any, row_id: str, *waiting: Coroutine[Any, Any, Any]) -> AsyncIterator[list[Any]]:
        """The results of what begins in this order while somebody else has a row, which is free when all wait."""
        async with self.service.database.begin() as tx:
            await tx.execute(lock, {"id": row_id})
            tasks = []
            for number, work in enumerate(waiting, 1):
                tasks.append(asyncio.create_task(work))
                await until_waiting(tx, number)
        yield await asyncio.gather(*tasks)


async def until_waiting(tx: Transaction, number: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while await tx.scalar(_WAITING) != number:  # noqa: ASYNC110  # Postgres does not tell
            await asyncio.sleep(0.01)


@pytest.fixture
async def pair(service: Service) -> Pair:
    blocks = [await service.api.call("CreateBlock", {"label": label, "value": "none"}) for label in LABELS]
    ids = [block["id"] for block in blocks]
    agents = [await service.api.create(block_ids=order) for order in (ids, ids[::-1])]
    return Pair(service, (Talk(service, agents[0]), Talk(service, agents[1])), ids)


def appending(label: str, content: str) -> ToolCall:
    arguments = orjson.dumps({"label": label, "content": content}).decode()
    return ToolCall(id=new_id("call"), name="core_memory_append", arguments=arguments)


async def rewrite(pair: Pair, talk: Talk, before: list[str], after: str) -> bool:
    """Whether an agent's tool could give both blocks a new text, as it saw them."""
    changes = [BlockChange(label=label, before=old, after=after) for label, old in zip(LABELS, before, strict=True)]
    by_position = changes if talk is pair.talks[0] else changes[::-1]
    request = ChangeMemoryRequest(
        organization_id=DEFAULT_ORGANIZATION_ID, agent_id=talk.agent["id"], changes=by_position
    )
    try:
        with rpc_errors():
            await pair.service.agents.ChangeMemory(request)
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("held", [0, 1])
async def test_tools_of_two_agents_rewrite_the_same_blocks_at_once(pair: Pair, held: int) -> None:
    for number in range(TIMES):
        before = await pair.values()

        rewriting = [
            rewrite(pair, talk, before, f"{name} {number}") for talk, name in zip(pair.talks, "ab", strict=True)
        ]
        async with pair.holding(_LOCK_BLOCK, pair.block_ids[held], *rewriting) as results:
            pass

        assert sorted(results) == [False, True]
        winner = "ab"[results.index(True)]
        assert await pair.values() == [f"{winner} {number}"] * 2
        assert all(prompt.count(f"{winner} {number}") == 2 for prompt in await pair.prompts())


async def test_steps_of_two_agents_change_one_shared_block_each(pair: Pair) -> None:
    first, second = pair.talks

    for number in range(TIMES):
        steps = second.step(appending("winds", f"b{number}")), first.step(appending("tides", f"a{number}"))
        async with pair.holding(_LOCK_SYSTEM, first.agent["id"], *steps):
            pass

        for prompt in await pair.prompts():
            assert (f"\na{number}" in prompt, f"\nb{number}" in prompt) == (True, True)


@pytest.mark.parametrize("held", [0, 1])
async def test_steps_of_two_agents_change_both_shared_blocks_in_opposite_orders(pair: Pair, held: int) -> None:
    orders = LABELS, LABELS[::-1]

    for number in range(TIMES):
        steps = [
            talk.step(*(appending(label, f"{name}{number}") for label in order))
            for talk, name, order in zip(pair.talks, "ab", orders, strict=True)
        ]
        async with pair.holding(_LOCK_BLOCK, pair.block_ids[held], *steps):
            pass

        for value in await pair.values():
            assert set(value.split("\n")[-2:]) == {f"a{number}", f"b{number}"}
