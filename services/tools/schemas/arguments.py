"""The parameters of a tool from a JSON schema of its arguments, such as pydantic's `model_json_schema()`."""

from typing import Any

from services.contract.json_object import JsonObject
from services.tools.schemas.source import BadSource, check_parts

_LEFT_OUT = frozenset(("title", "default", "$defs", "definitions", "$schema"))


def parameters_of(schema: JsonObject) -> JsonObject:
    """`{type, properties, required}` with every `$ref` replaced by what it names. Raises `BadSource`."""
    resolver = _Resolver({**_object(schema, "definitions"), **_object(schema, "$defs")})
    properties = _object(schema, "properties")
    return {
        "type": "object",
        "properties": {name: resolver.resolve(value, ()) for name, value in properties.items()},
        "required": schema.get("required", []),
    }


def _object(schema: JsonObject, key: str) -> JsonObject:
    value = schema.get(key, {})
    if not isinstance(value, dict):
        raise BadSource(f"args_json_schema must be the JSON schema of an object; its {key} are schemas by name.")
    return value


class _Resolver:
    """Puts definitions in the place of references. Raises `BadSource` for what cannot be put there."""

    def __init__(self, definitions: JsonObject) -> None:
        self._definitions = definitions
        self._parts = 0  # resolved so far

    def resolve(self, schema: Any, path: tuple[str, ...]) -> Any:  # Any: whatever JSON holds
        """The schema without references; `path`: the definitions that it stands in."""
        if isinstance(schema, list):
            return [self.resolve(item, path) for item in schema]
        if not isinstance(schema, dict):
            return schema
        self._parts += 1
        check_parts(self._parts)
        if "$ref" in schema:
            return self._definition(schema, path)
        resolved = {}
        for key, value in schema.items():
            if key == "properties":
                resolved[key] = {name: self.resolve(one, path) for name, one in _object(schema, key).items()}
            elif key not in _LEFT_OUT:
                resolved[key] = self.resolve(value, path)
        return resolved

    def _definition(self, schema: JsonObject, path: tuple[str, ...]) -> JsonObject:
        name = str(schema["$ref"]).rpartition("/")[2]
        if name in path:
            raise BadSource(f"args_json_schema: {name} contains itself; JSON schemas of tools cannot say that.")
        if name not in self._definitions:
            raise BadSource(f"args_json_schema: {schema['$ref']} is not defined.")
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        definition = self.resolve(_object(self._definitions, name), (*path, name))
        return {**definition, **self.resolve(rest, path)}
