"""The tools of organisations: creating, changing, finding."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument
from services.common.ids import new_id
from services.contract.json_object import JsonObject
from services.contract.tools import CreateTool, Tool, UpdateTool
from services.tools.base_tools import BASE_TOOLS
from services.tools.changes import Changes
from services.tools.schemas.function import tool_schema, usable
from services.tools.storage import Outbox, Page, ToolFilter, ToolNotFound, Tools
from services.tools.stored_tool import StoredTool

PYTHON = "python"
_PYTHON_NAMES = (PYTHON, "json")  # exports of older servers say "json" of tools in Python
_OWN = frozenset(("source_code", "source_type", "json_schema", "args_json_schema"))  # what makes a tool what it is
_SETTINGS = (
    "tags",
    "return_char_limit",
    "pip_requirements",
    "npm_requirements",
    "default_requires_approval",
    "enable_parallel_execution",
)

Fields = dict[str, Any]  # Any: values of fields of Tool


class UnusableTool(InvalidArgument):
    """The tool cannot be kept like that."""

    reason = "UNUSABLE_TOOL"


@dataclass(frozen=True)
class Owner:
    """Who acts, and for whom."""

    organization_id: str
    user_id: str


class Registry:
    """Every change grows the tool's version and is told to agents before the caller hears of it."""

    def __init__(self, database: Database, tools: Tools, outbox: Outbox, changes: Changes) -> None:
        self._database = database
        self._tools = tools
        self._outbox = outbox
        self._changes = changes

    async def upsert(self, owner: Owner, body: CreateTool) -> StoredTool:
        """Creates a tool, or changes the one of the same name; then, what the body leaves out stays."""
        check_language(body.source_type)
        new = await asyncio.to_thread(_new_tool, owner, body)
        created = StoredTool(owner.organization_id, 1, new)
        async with self._database.begin() as transaction:
            if created.name in await self._tools.insert(transaction, [*_base_tools(owner), created]):
                return created
            current = await self._tools.lock_named(transaction, owner.organization_id, created.name)
            if current is None or current.is_base or current.is_mcp:
                origin = "of an MCP server" if current and current.is_mcp else "that comes with the server"
                raise UnusableTool(f"The name {created.name!r} belongs to a tool {origin}.")
            changed = await self._change(transaction, owner, current, _resent(body, new))
        await self._changes.deliver(owner.organization_id)
        return changed

    async def update(self, owner: Owner, tool_id: str, body: UpdateTool) -> StoredTool:
        """Changes the fields that were sent. Raises `ToolNotFound`, `NameTaken`, `BadSource`, `UnusableTool`."""
        check_language(body.source_type or PYTHON)
        async with self._database.begin() as transaction:
            current = await self._tools.get(transaction, owner.organization_id, tool_id, lock=True)
            fields = await asyncio.to_thread(_sent, current, body)
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
        await self._tools.insert(transaction, _base_tools(owner))

    async def _change(self, transaction: Transaction, owner: Owner, current: StoredTool, fields: Fields) -> StoredTool:
        if current.tool.model_copy(update=fields) == current.tool:
            return current
        tool = current.tool.model_copy(update={**fields, "last_updated_by_id": owner.user_id})
        changed = replace(current, version=current.version + 1, tool=tool)
        await self._tools.update(transaction, changed)
        await self._outbox.add(transaction, owner.organization_id, tool.id)
        return changed


def _base_tools(owner: Owner) -> list[StoredTool]:
    return [StoredTool(owner.organization_id, 1, base.record(owner.user_id)) for base in BASE_TOOLS.values()]


def check_language(source_type: str) -> None:
    """Raises `UnusableTool` for source that is not Python."""
    if source_type not in _PYTHON_NAMES:
        raise UnusableTool(f"Tools are written in Python; source_type {source_type!r} cannot be run.")


def _new_tool(owner: Owner, body: CreateTool) -> Tool:
    schema = tool_schema(body.source_code, json_schema=body.json_schema, args_json_schema=body.args_json_schema)
    settings = {name: value for name in _SETTINGS if (value := getattr(body, name)) is not None}
    return Tool(
        id=new_id("tool"),
        **settings,
        **_content(body.source_code, schema),
        description=body.description or schema.get("description"),
        source_type=PYTHON,
        args_json_schema=body.args_json_schema or {},
        created_by_id=owner.user_id,
        last_updated_by_id=owner.user_id,
    )


def _content(source_code: str, schema: JsonObject) -> Fields:
    digest = hashlib.sha256(source_code.encode()).hexdigest()[:12]
    return {
        "name": schema["name"],
        "source_code": source_code,
        "json_schema": schema,
        "metadata_": {"tool_hash": digest},
    }


def _resent(body: CreateTool, new: Tool) -> Fields:
    """What changes in a tool that is created again: all that makes it what it is, and the settings that were sent."""
    sent = {name for name in _SETTINGS if name in body.model_fields_set and getattr(body, name) is not None}
    return {name: getattr(new, name) for name in ("description", "metadata_", *_OWN, *sent)}


def _sent(current: StoredTool, body: UpdateTool) -> Fields:
    """The new values of the fields that a PATCH names; null names nothing."""
    fields: Fields = {name: value for name in body.model_fields_set if (value := getattr(body, name)) is not None}
    if current.is_base and _OWN & fields.keys():
        raise UnusableTool(f"{current.name} comes with the server; its source and schema cannot be changed.")
    fields.pop("source_type", None)
    content = _new_content(current.tool, fields)
    if content and "description" not in fields:
        fields["description"] = content["json_schema"].get("description")
    return {**content, **{name: fields[name] for name in fields.keys() - content.keys()}}


def _new_content(tool: Tool, fields: Fields) -> Fields:
    source_code, json_schema = fields.get("source_code"), fields.get("json_schema")
    if source_code is None and json_schema is not None:
        name = json_schema.get("name", tool.name)
        return {"name": name, "json_schema": usable({"name": name, **json_schema})}
    if source_code is None and "args_json_schema" not in fields:
        return {}
    code = source_code or tool.source_code or ""
    arguments = fields.get("args_json_schema", tool.args_json_schema)
    return _content(code, tool_schema(code, json_schema=json_schema, args_json_schema=arguments))
