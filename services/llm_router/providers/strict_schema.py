"""JSON schemas for providers that hold a model to them."""

from functools import lru_cache

import orjson

from services.common.tool_parameters import tool_parameters
from services.llm_router.providers.spoken import Json

_OBJECT: Json = {"type": "object", "properties": {}}
# What the strict modes of OpenAI and Anthropic both know.
# https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
# https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
_OF_OBJECTS = {"type", "properties", "required", "additionalProperties", "description", "title"}
_KNOWN = _OF_OBJECTS | {"items", "enum", "const", "format", "anyOf"}
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))


@lru_cache(maxsize=1024)
def read_schema(schema: str) -> Json:
    """The schema of a tool's arguments from its JSON, as every provider takes it; none is an object without properties.

    The result is shared: copy before changing it.
    """
    return tool_parameters(orjson.loads(schema)) if schema else _OBJECT


@lru_cache(maxsize=1024)
def read_strict_schema(schema: str) -> Json | None:
    """The schema with every object closed; None when it cannot be strict without changing its meaning.

    Strict mode wants each property required. One that is optional would have to be sent as null, which a tool with a
    default does not expect.
    """
    read = read_schema(schema)
    closed = close_objects(read) if _is_object(read) else None
    return closed if isinstance(closed, dict) else None


def close_objects(schema: object) -> object:
    """The schema with `additionalProperties: false` on every object that names its properties."""
    if isinstance(schema, list):
        return [close_objects(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close_objects(value) for key, value in schema.items()}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        closed["properties"] = {name: close_objects(part) for name, part in properties.items()}
        closed["additionalProperties"] = False
    return closed


def _is_strict(schema: object) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _KNOWN or schema.get("format", "date") not in _FORMATS:
        return False
    if isinstance(options := schema.get("anyOf"), list):
        return all(map(_is_strict, options))
    kinds = schema.get("type", ())  # one, or a list of them
    if "array" in kinds and not _is_strict(schema.get("items")):
        return False
    return bool(kinds) and ("object" not in kinds or _is_object(schema))


def _is_object(schema: Json) -> bool:
    """Whether a schema is strict and names all the properties that there may be."""
    properties, required = schema.get("properties"), schema.get("required", [])
    return (
        schema.keys() <= _OF_OBJECTS
        and isinstance(properties, dict)
        and isinstance(required, list)
        and sorted(map(str, required)) == sorted(properties)
        and schema.get("additionalProperties", False) is False
        and all(map(_is_strict, properties.values()))
    )
