"""The tools that organisations have from MCP servers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.common.database import Database, Transaction
from services.common.ids import new_id
from services.common.tool_parameters import tool_parameters
from services.contract.mcp import McpTool, McpToolHealth, Refreshed
from services.contract.tools import Tool
from services.tools.base_tools import BASE_TOOLS
from services.tools.changes import Changes
from services.tools.mcp.names import tool_name
from services.tools.mcp.server import Server, Servers
from services.tools.owner import Owner
from services.tools.schemas.source import BadSource
from services.tools.schemas.usable import usable
from services.tools.storage import Outbox, ToolNotFound, Tools
from services.tools.stored_tool import MCP_TYPE, StoredTool

log = logging.getLogger(__name__)

Known = Mapping[str, StoredTool]  # tools by the name that their server gives them


class Registration:
    """Agents are told of every change before the caller hears of it."""

    def __init__(self, database: Database, servers: Servers, tools: Tools, outbox: Outbox, changes: Changes) -> None:
        self._database = database
        self._servers = servers
        self._tools = tools
        self._outbox = outbox
        self._changes = changes

    async def tools_of(self, server: Server) -> list[Tool]:
        """The tools registered from a server, in its order."""
        async with self._database.begin() as transaction:
            return [one.tool for one in (await self._known(transaction, server)).values()]

    async def get(self, server: Server, tool_id: str) -> StoredTool:
        """One of them. Raises `ToolNotFound`."""
        async with self._database.begin() as transaction:
            for one in (await self._known(transaction, server)).values():
                if one.tool.id == tool_id:
                    return one
        raise ToolNotFound(f"The MCP server {server.name!r} has no tool {tool_id}.")

    async def replace(self, owner: Owner, server: Server, offered: Sequence[McpTool]) -> Refreshed:
        """Makes the registered tools what the server offers, but for those that `examine` finds unusable.

        Raises `ServerNotFound` when it is gone by now.
        """
        wanted = {one.name: one for one in offered if not one.health}
        async with self._database.begin() as transaction:
            known = await self._locked(transaction, server)
            gone = {name: one for name, one in known.items() if name not in wanted}
            updated = [name for name in known if name in wanted]
            refreshed = Refreshed(
                message=_report(server, offered),
                deleted=await self._delete(transaction, gone),
                updated=[name for name in updated if await self._update(transaction, owner, known[name], wanted[name])],
                added=await self._add(
                    transaction, owner, server, [wanted[name] for name in wanted if name not in known]
                ),
            )
        await self._changes.deliver(owner.organization_id)
        return refreshed

    async def add(self, owner: Owner, server: Server, offered: McpTool) -> Tool:
        """Registers one tool, or brings it up to date. Raises `BadSource` for one that nobody can use."""
        check(offered)
        async with self._database.begin() as transaction:
            known = await self._locked(transaction, server)
            if offered.name in known:
                await self._update(transaction, owner, known[offered.name], offered)
            else:
                await self._add(transaction, owner, server, [offered])
            registered = (await self._known(transaction, server))[offered.name]
        await self._changes.deliver(owner.organization_id)
        return registered.tool

    async def delete_server(self, server: Server) -> None:
        """Deletes a server and its tools. Raises `ServerNotFound`."""
        async with self._database.begin() as transaction:
            await self._delete(transaction, await self._locked(transaction, server))
            await self._servers.delete(transaction, server)
        await self._changes.deliver(server.organization_id)

    async def _locked(self, transaction: Transaction, server: Server) -> Known:
        await self._servers.get(transaction, server.organization_id, server.id, lock=True)
        return await self._known(transaction, server)

    async def _known(self, transaction: Transaction, server: Server) -> Known:
        ids = await self._servers.tools_of(transaction, server)
        found = await self._tools.find(transaction, server.organization_id, ids=list(ids.values()))
        by_id = {one.tool.id: one for one in found}
        return {name: by_id[tool_id] for name, tool_id in ids.items()}

    async def _delete(self, transaction: Transaction, gone: Known) -> list[str]:
        for one in gone.values():
            await self._tools.delete(transaction, one.organization_id, one.tool.id)
            await self._outbox.add(transaction, one.organization_id, one.tool.id)
        return list(gone)

    async def _update(self, transaction: Transaction, owner: Owner, current: StoredTool, offered: McpTool) -> bool:
        """Whether there was something to change."""
        fields = _content(offered, current.name)
        if current.tool.model_copy(update=fields) == current.tool:
            return False
        tool = current.tool.model_copy(update={**fields, "last_updated_by_id": owner.user_id})
        await self._tools.update(transaction, replace(current, version=current.version + 1, tool=tool))
        await self._outbox.add(transaction, owner.organization_id, tool.id)
        return True

    async def _add(
        self, transaction: Transaction, owner: Owner, server: Server, offered: Sequence[McpTool]
    ) -> list[str]:
        """Registers tools under their own names or, where those are taken, with the server's name or id before them."""
        ids: dict[str, str] = {}
        for prefix in ("", f"{server.name}_", f"{server.id[-12:]}_"):
            left = [one for one in offered if one.name not in ids]
            named = {name: one for one in left if (name := tool_name(prefix + one.name)) not in BASE_TOOLS}
            new = {name: _record(owner, server, one, name) for name, one in named.items()}
            added = await self._tools.insert(transaction, list(new.values())) if new else []
            ids |= {named[name].name: new[name].tool.id for name in added}
        in_order = [(one.name, ids[one.name]) for one in offered if one.name in ids]
        if in_order:
            await self._servers.link(transaction, server, in_order)
        return [name for name, _ in in_order]


def _record(owner: Owner, server: Server, offered: McpTool, name: str) -> StoredTool:
    tool = Tool(
        id=new_id("tool"),
        tool_type=MCP_TYPE,
        source_type="python",
        tags=[f"mcp:{server.name}"],
        created_by_id=owner.user_id,
        last_updated_by_id=owner.user_id,
        metadata_={"mcp": {"server_id": server.id, "server_name": server.name}},
        **_content(offered, name),
    )
    return StoredTool(owner.organization_id, 1, tool)


def examine(offered: McpTool) -> McpTool:
    """The tool, its health saying why if it cannot be given to agents."""
    try:
        check(offered)
    except BadSource as exc:
        return offered.model_copy(update={"health": McpToolHealth(reasons=[str(exc)])})
    return offered


def check(offered: McpTool) -> None:
    """Raises `BadSource` for a tool that could not be read, cannot be stored, or that providers refuse."""
    if offered.health:
        raise BadSource("; ".join(offered.health.reasons))
    if "\0" in offered.name:
        raise BadSource(f"{offered.name!r} cannot be the name of a tool.")
    try:
        usable(_content(offered, tool_name(offered.name))["json_schema"])
    except RecursionError as exc:
        raise BadSource("The types of its arguments are nested too deeply.") from exc


def _report(server: Server, offered: Sequence[McpTool]) -> str:
    up_to_date = f"The tools of the MCP server {server.name!r} are up to date."
    left_out = [f"{one.name!r} ({'; '.join(one.health.reasons)})" for one in offered if one.health]
    if not left_out:
        return up_to_date
    log.warning("tools of the MCP server %s are left out: %s", server.id, ", ".join(left_out))
    return f"{up_to_date} Left out: {', '.join(left_out)}."


def _content(offered: McpTool, name: str) -> dict[str, Any]:  # Any: values of fields of Tool
    description = offered.description or offered.title or offered.name
    schema = {"name": name, "description": description, "parameters": tool_parameters(offered.input_schema)}
    return {"name": name, "description": description, "json_schema": schema}
