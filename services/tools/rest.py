"""The functions behind the REST operations of tools."""

import asyncio

from perdure.tools.v1.tool_rest_pb2 import (
    AddBaseToolsQuery,
    CountToolsQuery,
    CreateToolQuery,
    DeleteToolQuery,
    GenerateToolSchemaQuery,
    GetToolQuery,
    ListToolsQuery,
    RunToolQuery,
    SearchToolsQuery,
    UpdateToolQuery,
    UpsertToolQuery,
)
from services.common.caller import Caller
from services.contract.json_object import JsonObject
from services.contract.messages import ToolReturnMessage
from services.contract.tool_returns import ReturnStatus, ToolReturn
from services.contract.tools import CreateTool, FoundTool, RunTool, SearchTools, SourceCode, Tool, UpdateTool
from services.tools.definition import PYTHON, UnusableTool, read_language
from services.tools.execution import Execution
from services.tools.image import show_content
from services.tools.outcome import Outcome
from services.tools.owner import Owner
from services.tools.registry import Registry
from services.tools.schemas.function import tool_schema
from services.tools.storage import Page, ToolFilter

NO_ID = "null"  # of a message that is not stored


class ToolRest:
    """One method per operation of `ToolRest`."""

    def __init__(self, registry: Registry, execution: Execution) -> None:
        self._registry = registry
        self._execution = execution

    async def create_tool(self, caller: Caller, query: CreateToolQuery, body: CreateTool) -> Tool:
        """Creates a tool, or changes the one of the same name."""
        return (await self._registry.upsert(Owner.of(caller), body)).tool

    async def upsert_tool(self, caller: Caller, query: UpsertToolQuery, body: CreateTool) -> Tool:
        """The same."""
        return (await self._registry.upsert(Owner.of(caller), body)).tool

    async def list_tools(self, caller: Caller, query: ListToolsQuery, body: None) -> list[Tool]:
        """A page of tools."""
        page = Page(query.limit, query.before, query.after, query.order == "desc")
        return [one.tool for one in await self._registry.list_tools(Owner.of(caller), _filter(query), page)]

    async def search_tools(self, caller: Caller, query: SearchToolsQuery, body: SearchTools) -> list[FoundTool]:
        """Tools by words."""
        return await self._registry.search(Owner.of(caller), body)

    async def count_tools(self, caller: Caller, query: CountToolsQuery, body: None) -> int:
        """How many tools there are."""
        return await self._registry.count(Owner.of(caller), _filter(query))

    async def get_tool(self, caller: Caller, query: GetToolQuery, body: None) -> Tool:
        """One tool."""
        return (await self._registry.get(caller.organization_id, query.tool_id)).tool

    async def update_tool(self, caller: Caller, query: UpdateToolQuery, body: UpdateTool) -> Tool:
        """Changes the fields that were sent."""
        return (await self._registry.update(Owner.of(caller), query.tool_id, body)).tool

    async def delete_tool(self, caller: Caller, query: DeleteToolQuery, body: None) -> None:
        """Deletes a tool."""
        await self._registry.delete(caller.organization_id, query.tool_id)

    async def run_tool(self, caller: Caller, query: RunToolQuery, body: RunTool) -> ToolReturnMessage:
        """Runs source that is not stored."""
        return _message(await self._execution.run_source(caller.organization_id, body))

    async def generate_tool_schema(
        self, caller: Caller, query: GenerateToolSchemaQuery, body: SourceCode
    ) -> JsonObject:
        """The JSON schema of the last function."""
        if read_language(body.source_type) != PYTHON:
            raise UnusableTool("Schemas are read from Python only; write the json_schema of other tools yourself.")
        return await asyncio.to_thread(tool_schema, body.code)

    async def add_base_tools(self, caller: Caller, query: AddBaseToolsQuery, body: None) -> list[Tool]:
        """The tools that come with the server; those that were deleted are back."""
        return [one.tool for one in await self._registry.base_tools(Owner.of(caller))]


def _filter(query: ListToolsQuery | CountToolsQuery) -> ToolFilter:
    return ToolFilter(
        name=query.name,
        names=query.names,
        tool_ids=query.tool_ids,
        search=query.search,
        tool_types=query.tool_types,
        exclude_tool_types=query.exclude_tool_types,
        only_base=query.return_only_letta_tools,
        without_base=isinstance(query, CountToolsQuery) and query.exclude_letta_tools,
    )


def _message(outcome: Outcome) -> ToolReturnMessage:
    status: ReturnStatus = "error" if outcome.is_error else "success"
    returned = ToolReturn(
        tool_return=show_content(outcome.value, outcome.images),
        status=status,
        tool_call_id=NO_ID,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
    )
    return ToolReturnMessage(
        id=NO_ID,
        date=outcome.ended_at,
        tool_return=outcome.value,
        status=status,
        tool_call_id=NO_ID,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        tool_returns=[returned],
    )
