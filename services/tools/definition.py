"""What makes a tool: from what its author sends to the record that is stored."""

import hashlib
from collections.abc import Sequence
from typing import Any

from services.common.errors import InvalidArgument
from services.common.ids import new_id
from services.contract.json_object import JsonObject
from services.contract.tools import CreateTool, Requirement, Tool, UpdateTool
from services.tools.owner import Owner
from services.tools.sandbox.job import Language
from services.tools.sandbox.packages import BadRequirement, read_requirements
from services.tools.schemas.function import tool_schema
from services.tools.schemas.usable import usable
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

Fields = dict[str, Any]  # Any: values of fields of Tool


class UnusableTool(InvalidArgument):
    """The tool cannot be kept like that."""

    reason = "UNUSABLE_TOOL"


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


def resent_fields(body: CreateTool, new: Tool) -> Fields:
    """What changes in a tool that is created again: all that makes it what it is, and the settings that were sent."""
    sent = {name for name in _SETTINGS if name in body.model_fields_set and getattr(body, name) is not None}
    return {name: getattr(new, name) for name in ("description", "metadata_", *_OWN, *sent)}


def sent_fields(current: StoredTool, body: UpdateTool) -> Fields:
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
