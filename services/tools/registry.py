"""The tools of organisations: creating, changing, finding."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument
from services.common.ids import new_id
from services.contract.json_object import JsonObject
from services.contract.tools import CreateTool, FoundTool, Requirement, SearchTools, Tool, UpdateTool
from services.tools.base_tools import BASE_TOOLS
from services.tools.changes import Changes
from services.tools.sandbox.job import Language
from services.tools.sandbox.packages import BadRequirement, read_requirements
from services.tools.schemas.function import tool_schema
from services.tools.schemas.usable import usable
from services.tools.storage import Outbox, Page, ToolFilter, ToolNotFound, Tools
from services.tools.stored_tool import StoredTool

PYTHON: Language = "python"
TYPESCRIPT: Language = "typescript"
# Exports of older servers say "json" of tools in Python.
_LANGUAGES: dict[str, Language] = {PYTHON: PYTHON, TYPESCRIPT: TYPESCRIPT, "json": PYTHON}
_OWN = frozenset(("source_code", "source_type", "json_schema", "args_json_schema"))  # what makes a tool what it is
_SETTINGS = (
    "tags",
    "return_char_limit",
    "pip_requirements",
    "npm_requirements",
    "default_requires_approval",
    "enable_parallel_execution",
    "network",
)

RANK_OFFSET = 60  # of reciprocal ranks, https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf
_WORD = re.compile(r"[^\W_]+")

Fields = dict[str, Any]  # Any: values of fields of Tool


class UnusableTool(InvalidArgument):
    """The tool cannot be kept like that."""

    reason = "UNUSABLE_TOOL"


class NoVectors(InvalidArgument):
    """Tools are not found by meaning."""

    reason = "TOOLS_HAVE_NO_VECTORS"

    def __init__(self) -> None:
        super().__init__("Tools are searched by words: search_mode vector is not offered. Use fts or hybrid.")


@dataclass(frozen=True)
class Owner:
    """Who acts, and for whom."""

    organization_id: str
    user_id: str

    @classmethod
    def of(cls, caller: Caller) -> "Owner":
        """The caller of a REST operation."""
        return cls(caller.organization_id, caller.user_id)


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
            changed = await self._change(transaction, owner, current, _resent(body, new))
        await self._changes.deliver(owner.organization_id)
        return changed

    async def update(self, owner: Owner, tool_id: str, body: UpdateTool) -> StoredTool:
        """Changes the fields that were sent. Raises `ToolNotFound`, `NameTaken`, `BadSource`, `UnusableTool`."""
        changed = None
        while changed is None:  # until no other change came between
            read = await self.get(owner.organization_id, tool_id)
            fields = await asyncio.to_thread(_sent, read, body)
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


def read_language(source_type: str | None) -> Language:
    """The language that a source_type names; Python if none. Raises `UnusableTool`."""
    language = _LANGUAGES.get(source_type or PYTHON)
    if language is None:
        raise UnusableTool(f"Tools are written in Python or TypeScript; source_type {source_type!r} cannot be run.")
    return language


def check_packages(pip: Sequence[Requirement] | None, npm: Sequence[Requirement] | None) -> None:
    """Raises `UnusableTool` for what is not the name of a package with the versions wanted."""
    try:
        for language, wanted in ((PYTHON, pip), (TYPESCRIPT, npm)):
            read_requirements(language, [(one.name, one.version) for one in wanted or ()])
    except BadRequirement as exc:
        raise UnusableTool(f"{exc}") from exc


def _schema(
    language: str, code: str, json_schema: JsonObject | None, args_json_schema: JsonObject | None
) -> JsonObject:
    if language == PYTHON:
        return tool_schema(code, json_schema=json_schema, args_json_schema=args_json_schema)
    if json_schema is None or "name" not in json_schema:
        raise UnusableTool("A tool in TypeScript needs a json_schema, whose name is that of its exported function.")
    return usable(json_schema)


def make_tool(owner: Owner, body: CreateTool) -> Tool:
    """A new tool, not stored yet. Raises `BadSource`, `UnusableTool`."""
    language = read_language(body.source_type)
    schema = _schema(language, body.source_code, body.json_schema, body.args_json_schema)
    settings = {name: value for name in _SETTINGS if (value := getattr(body, name)) is not None}
    tool = Tool(
        id=new_id("tool"),
        **settings,
        **_content(body.source_code, schema),
        description=body.description or schema.get("description"),
        source_type=language,
        args_json_schema=body.args_json_schema or {},
        created_by_id=owner.user_id,
        last_updated_by_id=owner.user_id,
    )
    check_packages(tool.pip_requirements, tool.npm_requirements)
    return tool


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
    check_packages(body.pip_requirements, body.npm_requirements)
    if "source_type" in fields:
        fields["source_type"] = read_language(body.source_type)
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
    language = fields.get("source_type", read_language(tool.source_type))
    if language == TYPESCRIPT:
        json_schema = json_schema or tool.json_schema
    arguments = fields.get("args_json_schema", tool.args_json_schema)
    return _content(code, _schema(language, code, json_schema, arguments))
