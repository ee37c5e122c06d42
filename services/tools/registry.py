"""The tools of organisations: creating, changing, finding."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument
from services.contract.tools import CreateTool, FoundTool, SearchTools, Tool, UpdateTool
from services.tools.base_tools import BASE_TOOLS
from services.tools.changes import Changes
from services.tools.definition import Fields, UnusableTool, make_tool, resent_fields, sent_fields
from services.tools.owner import Owner
from services.tools.storage import Outbox, Page, ToolFilter, ToolNotFound, Tools
from services.tools.stored_tool import StoredTool

RANK_OFFSET = 60  # of reciprocal ranks, https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf
_WORD = re.compile(r"[^\W_]+")


class NoVectors(InvalidArgument):
    """Tools are not found by meaning."""

    reason = "TOOLS_HAVE_NO_VECTORS"

    def __init__(self) -> None:
        super().__init__("Tools are searched by words: search_mode vector is not offered. Use fts or hybrid.")


class Registry:
    """Every change grows the tool's version and is told to agents before the caller hears of it."""

    def __init__(self, database: Database, tools: Tools, outbox: Outbox, changes: Changes) -> None:
        self._database = database
        self._tools = tools
        self._outbox = outbox
        self._changes = changes
        self._renewed: set[str] = set()  # organisations whose base tools are as this server knows them

    async def upsert(self, owner: Owner, body: CreateTool) -> StoredTool:
        """Creates a tool, or changes the one of the same name; then, what the body leaves out stays."""
        new = await asyncio.to_thread(make_tool, owner, body)
        created = StoredTool(owner.organization_id, 1, new)
        async with self._database.begin() as transaction:
            await self._restore(transaction, owner)  # so that nobody takes their names
            if created.name in await self._tools.insert(transaction, [created]):
                return created
            current = await self._tools.lock_named(transaction, owner.organization_id, created.name)
            if current is None or current.is_base or current.is_mcp:
                origin = "of an MCP server" if current and current.is_mcp else "that comes with the server"
                raise UnusableTool(f"The name {created.name!r} belongs to a tool {origin}.")
            changed = await self._change(transaction, owner, current, resent_fields(body, new))
        await self._changes.deliver(owner.organization_id)
        return changed

    async def update(self, owner: Owner, tool_id: str, body: UpdateTool) -> StoredTool:
        """Changes the fields that were sent. Raises `ToolNotFound`, `NameTaken`, `BadSource`, `UnusableTool`."""
        changed = None
        while changed is None:  # until no other change came between
            read = await self.get(owner.organization_id, tool_id)
            fields = await asyncio.to_thread(sent_fields, read, body)
            async with self._database.begin() as transaction:
                current = await self._tools.get(transaction, owner.organization_id, tool_id, lock=True)
                if current.version == read.version:
                    changed = await self._change(transaction, owner, current, fields)
        await self._changes.deliver(owner.organization_id)
        return changed

    async def delete(self, organization_id: str, tool_id: str) -> None:
        """Deletes a tool, also from the agents that have it. Raises `ToolNotFound`."""
        async with self._database.begin() as transaction:
            await self._tools.delete(transaction, organization_id, tool_id)
            await self._outbox.add(transaction, organization_id, tool_id)
        await self._changes.deliver(organization_id)

    async def get(self, organization_id: str, tool_id: str) -> StoredTool:
        """One tool. Raises `ToolNotFound`."""
        async with self._database.begin() as transaction:
            return await self._tools.get(transaction, organization_id, tool_id)

    async def list_tools(self, owner: Owner, wanted: ToolFilter, page: Page) -> list[StoredTool]:
        """A page of tools; base tools that were deleted are back."""
        async with self._database.begin() as transaction:
            if not wanted.tool_ids:
                await self._restore(transaction, owner)
            return await self._tools.list(transaction, owner.organization_id, wanted, page)

    async def search(self, owner: Owner, wanted: SearchTools) -> list[FoundTool]:
        """The tools that have words of the query in their name, description or tags, the best match first.

        Raises `NoVectors`.
        """
        words = _WORD.findall(wanted.query or "")
        if words and wanted.search_mode == "vector":
            raise NoVectors
        chosen = ToolFilter(tool_types=wanted.tool_types or (), tags=wanted.tags or (), words=words)
        async with self._database.begin() as transaction:
            await self._restore(transaction, owner)
            found = await self._tools.list(transaction, owner.organization_id, chosen, Page(wanted.limit))
        return [_found(one.tool, rank, is_match=bool(words)) for rank, one in enumerate(found, 1)]

    async def count(self, owner: Owner, wanted: ToolFilter) -> int:
        """How many tools `list_tools` would give."""
        async with self._database.begin() as transaction:
            await self._restore(transaction, owner)
            return await self._tools.count(transaction, owner.organization_id, wanted)

    async def base_tools(self, owner: Owner) -> list[StoredTool]:
        """The tools that come with the server, all of them."""
        everything = ToolFilter(only_base=True)
        return await self.list_tools(owner, everything, Page(limit=len(BASE_TOOLS), descending=False))

    async def describe(self, owner: Owner, ids: Sequence[str], names: Sequence[str]) -> list[StoredTool]:
        """The tools with these ids, then those with these names, none twice. Raises `ToolNotFound`, naming them."""
        async with self._database.begin() as transaction:
            if not BASE_TOOLS.keys().isdisjoint(names):
                await self._restore(transaction, owner)
            found = await self._tools.find(transaction, owner.organization_id, ids=ids, names=names)
        by_key = {one.name: one for one in found} | {one.tool.id: one for one in found}
        wanted = dict.fromkeys([*ids, *names])
        if missing := [key for key in wanted if key not in by_key]:
            raise ToolNotFound(f"There are no such tools: {', '.join(missing)}.")
        return list({by_key[key].tool.id: by_key[key] for key in wanted}.values())

    async def _restore(self, transaction: Transaction, owner: Owner) -> None:
        """Puts back base tools that are missing: one statement where none is, one more for the first time."""
        if owner.organization_id not in self._renewed:
            await self._renew(transaction, owner)
        found = await self._tools.find_names(transaction, owner.organization_id, list(BASE_TOOLS))
        missing = [tool.record(owner.user_id) for name, tool in BASE_TOOLS.items() if name not in found]
        if missing:
            await self._tools.insert(transaction, [StoredTool(owner.organization_id, 1, tool) for tool in missing])

    async def _renew(self, transaction: Transaction, owner: Owner) -> None:
        """Brings base tools that an older server stored to what this one knows; what users changed in them stays."""
        for current in await self._tools.find(transaction, owner.organization_id, names=list(BASE_TOOLS)):
            schema = BASE_TOOLS[current.name].schema()
            if not current.is_base or current.tool.json_schema == schema:
                continue
            old = current.tool.json_schema or {}
            is_untouched = current.tool.description == old.get("description")
            text = schema["description"] if is_untouched else current.tool.description
            await self._change(transaction, owner, current, {"json_schema": schema, "description": text})
        self._renewed.add(owner.organization_id)

    async def _change(self, transaction: Transaction, owner: Owner, current: StoredTool, fields: Fields) -> StoredTool:
        if current.tool.model_copy(update=fields) == current.tool:
            return current
        tool = current.tool.model_copy(update={**fields, "last_updated_by_id": owner.user_id})
        changed = replace(current, version=current.version + 1, tool=tool)
        await self._tools.update(transaction, changed)
        await self._outbox.add(transaction, owner.organization_id, tool.id)
        return changed


def _found(tool: Tool, rank: int, *, is_match: bool) -> FoundTool:
    score = 1 / (RANK_OFFSET + rank)
    return FoundTool(tool=tool, fts_rank=rank if is_match else None, combined_score=score)
