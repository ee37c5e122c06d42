"""The parameters of a tool from a JSON schema of its arguments, such as pydantic's `model_json_schema()`."""

from typing import Any

from services.contract.json_object import JsonObject
from services.tools.schemas.source import BadSource

_LEFT_OUT = frozenset(("title", "default", "$defs", "definitions", "$schema"))


def parameters_of(schema: JsonObject) -> JsonObject:
    """`{type, properties, required}` with every `$ref` replaced by what it names. Raises `BadSource`."""
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise BadSource("args_json_schema must be the JSON schema of an object, with its properties.")
    return {
        "type": "object",
        "properties": {name: _resolved(value, definitions, ()) for name, value in properties.items()},
        "required": schema.get("required", []),
    }


def _resolved(schema: Any, definitions: JsonObject, path: tuple[str, ...]) -> Any:  # Any: whatever JSON holds
    if isinstance(schema, list):
        return [_resolved(item, definitions, path) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _definition(schema, definitions, path)
    resolved = {}
    for key, value in schema.items():
        if key == "properties":
            resolved[key] = {name: _resolved(one, definitions, path) for name, one in value.items()}
        elif key not in _LEFT_OUT:
            resolved[key] = _resolved(value, definitions, path)
    return resolved


def _definition(schema: JsonObject, definitions: JsonObject, path: tuple[str, ...]) -> JsonObject:
    name = str(schema["$ref"]).rpartition("/")[2]
    if name in path:
        raise BadSource(f"args_json_schema: {name} contains itself; JSON schemas of tools cannot say that.")
    if name not in definitions:
        raise BadSource(f"args_json_schema: {schema['$ref']} is not defined.")
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    return {**_resolved(definitions[name], definitions, (*path, name)), **_resolved(rest, definitions, path)}
