"""Tools, MCP servers and sandboxes stay within their organisation."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc.aio import AioRpcError

from perdure.tools.v1.tool_service_pb2 import (
    DeleteToolRequest,
    DescribeToolsRequest,
    ExecuteRequest,
    GetToolRequest,
    ListToolsRequest,
)
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.database import Database, Transaction
from services.common.errors import NotFound
from services.common.ids import new_id
from services.common.secrets import SecretBox
from services.contract.sandbox_configs import LocalSandbox, UpdateSandboxVariable
from services.tools.mcp.oauth.session import Grant, Session
from services.tools.mcp.oauth.store import PostgresSessions
from services.tools.mcp.store import PostgresServers
from services.tools.owner import Owner
from services.tools.sandbox_configs.store import PostgresSandboxConfigs
from tests.tools.conftest import Api
from tests.tools.sources import roll_dice

STRANGER = Owner(new_id("org"), "user-stranger")


async def not_found(call: Callable[[Transaction], Awaitable[object]], database: Database) -> bool:
    with pytest.raises(NotFound):
        async with database.begin() as transaction:
            await call(transaction)
    return True


async def test_another_organisation_neither_sees_nor_runs_nor_deletes_a_tool(api: Api, stub: ToolServiceStub) -> None:
    tool_id = (await api.call("CreateTool", {"source_code": roll_dice()}))["id"]
    mine: dict[str, Any] = {"organization_id": STRANGER.organization_id, "tool_id": tool_id}
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: stub.GetTool(GetToolRequest(**mine)),
        lambda: stub.DeleteTool(DeleteToolRequest(**mine)),
        lambda: anext(aiter(stub.Execute(ExecuteRequest(**mine)))),
        lambda: stub.DescribeTools(DescribeToolsRequest(organization_id=STRANGER.organization_id, tool_ids=[tool_id])),
    ]

    for call in calls:
        with pytest.raises(AioRpcError) as caught:
            await call()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    listed = await stub.ListTools(ListToolsRequest(organization_id=STRANGER.organization_id, tool_ids=[tool_id]))

    assert not listed.tools
    assert (await api.call("GetTool", tool_id=tool_id))["id"] == tool_id


async def test_another_organisation_neither_sees_nor_changes_a_sandbox(
    api: Api, database: Database, secrets: SecretBox
) -> None:
    config_id = (await api.call("CreateDefaultLocalSandboxConfig"))["id"]
    body = {"key": "OURS", "value": "1"}
    variable_id = (await api.call("CreateSandboxVariable", body, sandbox_config_id=config_id))["id"]
    store, org = PostgresSandboxConfigs(secrets), STRANGER.organization_id

    for call in (
        lambda tx: store.get(tx, org, config_id),
        lambda tx: store.update(tx, STRANGER, config_id, LocalSandbox()),
        lambda tx: store.delete(tx, org, config_id),
        lambda tx: store.change_variable(tx, STRANGER, variable_id, UpdateSandboxVariable(value="2")),
        lambda tx: store.delete_variable(tx, org, variable_id),
    ):
        assert await not_found(call, database)
    async with database.begin() as transaction:
        assert await store.find_setup(transaction, org) is None
        assert not await store.list_variables(transaction, org, config_id, after="", limit=10)

    (kept,) = await api.call("ListSandboxVariables", sandbox_config_id=config_id)
    assert (kept["id"], kept["value"]) == (variable_id, "1")


async def test_another_organisation_sees_no_mcp_server(api: Api, database: Database, secrets: SecretBox) -> None:
    config = {"mcp_server_type": "streamable_http", "server_url": "http://127.0.0.1:9/mcp"}
    server = await api.call("CreateMcpServer", {"server_name": "ours", "config": config})
    store, org = PostgresServers(secrets), STRANGER.organization_id

    assert await not_found(lambda tx: store.get(tx, org, server["id"]), database)
    assert await not_found(lambda tx: store.get_named(tx, org, "ours"), database)
    async with database.begin() as transaction:
        assert await store.list(transaction, org) == []


async def test_another_organisation_gets_no_authorization_by_an_mcp_server(
    database: Database, secrets: SecretBox
) -> None:
    sessions, url = PostgresSessions(database, secrets), "http://127.0.0.1:9/mcp"
    grant = Grant(server_url=url, redirect_uri="http://127.0.0.1/back", client={}, tokens={"access_token": "ours"})
    ours = Session(DEFAULT_ORGANIZATION_ID, new_id("mcp-oauth"), new_id("state"), grant)
    await sessions.insert(ours)
    assert await sessions.claim(ours)
    await sessions.update(replace(ours, status="authorized"))
    kept = await sessions.find_authorized(DEFAULT_ORGANIZATION_ID, url)
    assert kept is not None
    stolen = replace(kept, organization_id=STRANGER.organization_id)

    assert await sessions.find(STRANGER.organization_id, ours.id) is None
    assert await sessions.find_authorized(STRANGER.organization_id, url) is None
    assert not await sessions.claim(stolen)
    await sessions.update(replace(stolen, status="failed"))
    await sessions.delete(STRANGER.organization_id, url)

    assert await sessions.find_authorized(DEFAULT_ORGANIZATION_ID, url) == kept
