"""The typed face of tools."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol

from grpc.aio import ServicerContext

from perdure.tools.v1.tool_service_pb2 import (
    DeleteToolRequest,
    DeleteToolResponse,
    DescribeToolsRequest,
    DescribeToolsResponse,
    ExecuteRequest,
    ExecuteResponse,
    GetSandboxRequest,
    GetSandboxResponse,
    GetToolRequest,
    GetToolResponse,
    ListToolsRequest,
    ListToolsResponse,
    UpsertToolRequest,
    UpsertToolResponse,
)
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceServicer
from services.common.caller import DEFAULT_USER_ID
from services.common.paging import read_page_size
from services.tools.conversions import execute_response, new_tool, tool_definition, tool_message
from services.tools.execution import Call, Execution
from services.tools.owner import Owner
from services.tools.registry import Registry
from services.tools.sandbox.layers import Layers
from services.tools.storage import Page, ToolFilter

Context = ServicerContext[Any, Any]  # Any: the messages of each method; none of them uses its context


class Sandbox(Protocol):
    """Where tools run."""

    @property
    def layers(self) -> Layers | None:
        """What keeps calls from the rest of the machine; None as long as nothing could be started."""


class ToolServicer(ToolServiceServicer):
    """Keeps tools and runs them."""

    def __init__(self, registry: Registry, execution: Execution, sandbox: Sandbox) -> None:
        self._registry = registry
        self._execution = execution
        self._sandbox = sandbox

    async def UpsertTool(self, request: UpsertToolRequest, context: Context) -> UpsertToolResponse:
        """Creates a tool, or changes the one of the same name."""
        owner = Owner(request.organization_id, request.user_id)
        stored = await self._registry.upsert(owner, new_tool(request))
        return UpsertToolResponse(tool=tool_message(stored))

    async def GetTool(self, request: GetToolRequest, context: Context) -> GetToolResponse:
        """One tool."""
        stored = await self._registry.get(request.organization_id, request.tool_id)
        return GetToolResponse(tool=tool_message(stored))

    async def ListTools(self, request: ListToolsRequest, context: Context) -> ListToolsResponse:
        """Tools, newest first; a page token is the id of the last tool before it."""
        size = read_page_size(request.page_size)
        page = Page(limit=size, after=request.page_token)
        owner = Owner(request.organization_id, DEFAULT_USER_ID)
        found = await self._registry.list_tools(owner, ToolFilter(tool_ids=request.tool_ids), page)
        token = found[-1].tool.id if len(found) == size else ""
        return ListToolsResponse(tools=map(tool_message, found), next_page_token=token)

    async def DeleteTool(self, request: DeleteToolRequest, context: Context) -> DeleteToolResponse:
        """Deletes a tool."""
        await self._registry.delete(request.organization_id, request.tool_id)
        return DeleteToolResponse()

    async def DescribeTools(self, request: DescribeToolsRequest, context: Context) -> DescribeToolsResponse:
        """What the named tools are."""
        owner = Owner(request.organization_id, DEFAULT_USER_ID)
        found = await self._registry.describe(owner, request.tool_ids, request.names)
        return DescribeToolsResponse(tools=map(tool_definition, found))

    async def Execute(self, request: ExecuteRequest, context: Context) -> AsyncIterator[ExecuteResponse]:
        """Runs one call."""
        stored = await self._registry.get(request.organization_id, request.tool_id)
        call = Call(request.arguments, dict(request.environment), request.agent_id, request.agent_state)
        async with aclosing(self._execution.call(stored, call)) as events:
            async for event in events:
                yield execute_response(event, call_id=request.call_id, name=stored.name)

    async def GetSandbox(self, request: GetSandboxRequest, context: Context) -> GetSandboxResponse:
        """What keeps tools from the rest of the machine."""
        layers = self._sandbox.layers
        if layers is None:
            return GetSandboxResponse()
        return GetSandboxResponse(layers=layers.names, are_enough=layers.are_enough)
