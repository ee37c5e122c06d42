"""Checking the tools and schemas of a request to OpenAI."""

import re
from typing import Any

from tests.fakes.provider.prompt import Body, JsonFormat, Tool, ToolChoice
from tests.fakes.provider.refusal import Refusal

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_MAX_TOOLS = 128


def read_tools(functions: list[Body], place: str) -> tuple[Tool, ...]:
    """The tools of a request; `place` is a pattern with the index, such as `tools[{}].function`.

    Raises:
        Refusal: too many tools, a bad name, or a strict schema that leaves something open.
    """
    if len(functions) > _MAX_TOOLS:
        raise _invalid(
            f"Invalid 'tools': array too long. Expected an array with maximum length {_MAX_TOOLS}, but got an array "
            f"with length {len(functions)} instead.",
            "tools",
            "array_above_max_length",
        )
    for index, function in enumerate(functions):
        name, param = str(function.get("name")), place.format(index)
        if not _NAME.match(name):
            raise _invalid(
                f"Invalid '{param}.name': string does not match pattern. Expected a string that matches the pattern "
                "'^[a-zA-Z0-9_-]+$'.",
                f"{param}.name",
                "invalid_value",
            )
        if function.get("strict"):
            check_strict(function.get("parameters") or {}, f"function '{name}'", f"{param}.parameters")
    return tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions)


def check_strict(schema: Any, owner: str, param: str, path: tuple[str, ...] = ()) -> None:
    """Refuses a schema that strict mode does not take: every property required, no others allowed.

    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    if not isinstance(schema, dict):
        return
    if "properties" in schema:
        _check_strict_object(schema, owner, param, path)
    for key, part in schema.items():
        for name, child in _children(key, part):
            check_strict(child, owner, param, (*path, key, *name))


def read_choice(choice: Any) -> ToolChoice:
    """`tool_choice` in its forms: a word, or an object that names a function."""
    if isinstance(choice, dict):
        name = choice.get("name") or (choice.get("function") or {}).get("name")
        return ToolChoice("required", name)
    if choice not in (None, "auto", "none", "required"):
        raise _invalid(
            f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.", "tool_choice"
        )
    return ToolChoice(choice or "auto")


def read_format(kind: str | None, schema: Body, owner: Body, param: str) -> JsonFormat | None:
    """The JSON format asked for; `owner` is the object that holds the schema's name and strictness."""
    if kind == "json_object":
        return JsonFormat()
    if kind != "json_schema":
        return None
    if not owner.get("name"):
        raise _invalid(f"Missing required parameter: '{param}.name'.", f"{param}.name", "missing_required_parameter")
    if owner.get("strict"):
        check_strict(schema, f"response_format '{owner['name']}'", param)
    return JsonFormat(schema)


def _check_strict_object(schema: Body, owner: str, param: str, path: tuple[str, ...]) -> None:
    context = f"Invalid schema for {owner}: In context=({', '.join(repr(part) for part in path)}), "
    if schema.get("additionalProperties") is not False:
        raise _invalid(
            f"{context}'additionalProperties' is required to be supplied and to be false.",
            param,
            "invalid_function_parameters",
        )
    missing = [name for name in schema["properties"] if name not in schema.get("required", ())]
    if missing:
        raise _invalid(
            f"{context}'required' is required to be supplied and to be an array including every key in properties. "
            f"Missing '{missing[0]}'.",
            param,
            "invalid_function_parameters",
        )


def _children(key: str, part: Any) -> list[tuple[tuple[str, ...], Any]]:
    if key in ("properties", "$defs", "definitions") and isinstance(part, dict):
        return [((name,), child) for name, child in part.items()]
    if key in ("anyOf", "allOf", "oneOf") and isinstance(part, list):
        return [((str(index),), child) for index, child in enumerate(part)]
    return [((), part)] if key == "items" else []


def _invalid(message: str, param: str, code: str | None = None) -> Refusal:
    return Refusal(400, message, kind="invalid_request_error", param=param, code=code)
