"""Telling agents of changed tools."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from perdure.tools.v1.tool_service_pb2 import DeleteToolRequest, UpsertToolRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.database import Database
from services.contract.tools import Tool
from services.tools.changes import Changes
from services.tools.clients import AgentsClient
from services.tools.store.outbox import PostgresOutbox
from services.tools.stored_tool import StoredTool
from tests.tools.conftest import TIMEOUT_S, RecordingAgents
from tests.tools.sources import roll_dice


async def upsert(stub: ToolServiceStub, organization_id: str, comment: str = "") -> str:
    request = UpsertToolRequest(organization_id=organization_id, source_code=f"{roll_dice()}# {comment}\n")
    return (await stub.UpsertTool(request, timeout=TIMEOUT_S)).tool.definition.id


async def delete(stub: ToolServiceStub, organization_id: str, tool_id: str) -> None:
    await stub.DeleteTool(DeleteToolRequest(organization_id=organization_id, tool_id=tool_id), timeout=TIMEOUT_S)


@asynccontextmanager
async def delivering(changes: Changes) -> AsyncIterator[None]:
    task = asyncio.create_task(changes.deliver_forever())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_agents_know_before_the_caller(
    stub: ToolServiceStub, agents: RecordingAgents, organization_id: str
) -> None:
    await upsert(stub, organization_id)
    assert agents.told == []

    await upsert(stub, organization_id, "changed")
    assert [(tool.name, tool.version) for tool in agents.told[0].changed] == [("roll_dice", 2)]

    await upsert(stub, organization_id, "changed")
    assert len(agents.told) == 1


async def test_agents_know_of_deleted_tools(
    stub: ToolServiceStub, agents: RecordingAgents, organization_id: str
) -> None:
    tool_id = await upsert(stub, organization_id)

    await delete(stub, organization_id, tool_id)

    assert agents.told[0].organization_id == organization_id
    assert list(agents.told[0].deleted_tool_ids) == [tool_id]


async def test_what_agents_missed_is_told_when_they_are_back(
    stub: ToolServiceStub, agents: RecordingAgents, changes: Changes, organization_id: str
) -> None:
    await agents.stop()
    tool_id = await upsert(stub, organization_id)
    await upsert(stub, organization_id, "second")
    await upsert(stub, organization_id, "third")
    await agents.start()

    async with delivering(changes), asyncio.timeout(20):
        await agents.was_told.wait()

    assert [(tool.id, tool.version) for tool in agents.told[0].changed] == [(tool_id, 3)]


async def test_a_change_is_told_once(
    stub: ToolServiceStub, agents: RecordingAgents, changes: Changes, database: Database, organization_id: str
) -> None:
    await upsert(stub, organization_id)
    await upsert(stub, organization_id, "changed")

    await asyncio.gather(*(changes.deliver(organization_id) for _ in range(3)))

    assert len(agents.told) == 1
    async with database.begin() as transaction:
        assert organization_id not in await PostgresOutbox().organizations(transaction)


async def test_a_tool_that_cannot_be_sent_does_not_stop_the_others(
    agents: RecordingAgents, agents_client: AgentsClient, organization_id: str
) -> None:
    bad = StoredTool(organization_id, 1, Tool(id="tool-bad", name="bad", json_schema={"description": "\ud800"}))
    good = StoredTool(organization_id, 1, Tool(id="tool-good", name="good"))

    await agents_client.apply_changes(organization_id, [bad, good], ["tool-gone"])

    assert [tool.id for tool in agents.told[0].changed] == ["tool-good"]
    assert list(agents.told[0].deleted_tool_ids) == ["tool-gone"]


async def test_versions_arrive_in_order_whoever_changes(
    stub: ToolServiceStub, agents: RecordingAgents, organization_id: str
) -> None:
    await upsert(stub, organization_id)

    await asyncio.gather(*(upsert(stub, organization_id, f"change {number}") for number in range(8)))

    versions = [tool.version for told in agents.told for tool in told.changed]
    assert versions == sorted(versions)
    assert versions[-1] == 9
