"""The schema of a tool's arguments as every provider takes it.

MCP, and whoever writes a tool, may use any JSON Schema. Providers want an object at the top, without a choice between
alternatives there, and some follow no references: https://platform.openai.com/docs/guides/function-calling
"""

import re
from typing import Any

from services.contract.json_object import JsonObject

MAX_PARTS = 2000  # schemas within a schema up to which references are followed
_FIT = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # names of arguments: https://docs.claude.com/en/api/messages
_CHOICES = ("anyOf", "oneOf", "allOf")
_LEFT_OUT_AT_TOP = frozenset(("const", "enum", "not"))
_LEFT_OUT = frozenset(("$schema", "$id", "$defs", "definitions", "$ref"))
_PLAIN = frozenset(("default", "const", "enum", "examples"))  # what they hold is no schema
_NAMED_SCHEMAS = frozenset(("properties", "patternProperties", "dependentSchemas"))


def tool_parameters(schema: JsonObject) -> JsonObject:
    """The schema with references put in place and the alternatives at its top made one object.

    Arguments whose names a provider refuses are left out: one of them would end every turn of an agent that has it.
    """
    whole: JsonObject = _Inliner(schema).inline(schema)
    for kind in _CHOICES:
        _merge(whole, whole.pop(kind, None), are_alternatives=kind != "allOf")
    properties = {name: one for name, one in _properties(whole).items() if _FIT.fullmatch(name)}
    required = [name for name in _required(whole) if name in properties]
    kept = {key: value for key, value in whole.items() if key not in _LEFT_OUT_AT_TOP}
    return {**kept, "type": "object", "properties": properties, "required": required}


def _merge(whole: JsonObject, parts: Any, *, are_alternatives: bool) -> None:  # Any: a list, if the server is right
    """Adds the properties of the parts; those of alternatives need not be given."""
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict):
            whole["properties"] = {**_properties(part), **_properties(whole)}
            if not are_alternatives:
                whole["required"] = [*_required(whole), *_required(part)]


def _properties(schema: JsonObject) -> JsonObject:
    """None where there is something else: servers in some languages write null for what is empty."""
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _required(schema: JsonObject) -> list[str]:
    found = schema.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


class _Inliner:
    """Puts references in place: what holds itself, or grows too large by it, ends in an object of any kind."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._left = MAX_PARTS

    def inline(self, schema: Any, within: frozenset[str] = frozenset()) -> Any:  # Any: an object, true or false
        """The schema without references."""
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return {**self._target(reference, within), **self._members(schema, within)}
        return self._members(schema, within)

    def _target(self, reference: str, within: frozenset[str]) -> JsonObject:
        if reference in within or self._left <= 0:
            return {"type": "object"}
        target: JsonObject = self.inline(_resolve(reference, self._root), within | {reference})
        return target

    def _members(self, schema: JsonObject, within: frozenset[str]) -> JsonObject:
        self._left -= 1
        members = {key: self._value(key, value, within) for key, value in schema.items() if key not in _LEFT_OUT}
        kinds = members.get("type")
        is_array = "array" in kinds if isinstance(kinds, list) else kinds == "array"
        return {"items": {}, **members} if is_array else members

    def _value(self, key: str, value: Any, within: frozenset[str]) -> Any:  # Any: any keyword's value
        if key in _NAMED_SCHEMAS and isinstance(value, dict):
            return {name: self.inline(one, within) if isinstance(one, dict) else {} for name, one in value.items()}
        if key in _PLAIN:
            return value
        if isinstance(value, list):
            return [self.inline(one, within) for one in value]
        return self.inline(value, within)


def _resolve(reference: str, root: JsonObject) -> JsonObject:
    """What a reference within the schema points to; empty for any other."""
    if not reference.startswith("#"):
        return {}
    found: Any = root  # Any: a part of JSON
    for part in reference.split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
