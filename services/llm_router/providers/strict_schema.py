"""JSON schemas for providers that hold a model to them."""

from functools import lru_cache

import orjson

from services.llm_router.providers.spoken import Json

_OBJECT: Json = {"type": "object", "properties": {}}


@lru_cache(maxsize=1024)
def read_schema(schema: str) -> Json:
    """A schema from its JSON; none is an object without properties. The result is shared: copy before changing it."""
    read: Json = orjson.loads(schema) if schema else _OBJECT
    return read if "properties" in read or read.get("type") != "object" else {**read, "properties": {}}


@lru_cache(maxsize=1024)
def read_strict_schema(schema: str) -> Json | None:
    """The schema with every object closed; None when it cannot be strict without changing its meaning.

    Strict mode wants each property required. One that is optional would have to be sent as null, which a tool with a
    default does not expect. https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    closed = close_objects(read_schema(schema))
    return closed if isinstance(closed, dict) and _is_strict(closed) else None


def close_objects(schema: object) -> object:
    """The schema with `additionalProperties: false` on every object that names its properties."""
    if isinstance(schema, list):
        return [close_objects(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close_objects(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed["additionalProperties"] = False
    return closed


def _is_strict(schema: object) -> bool:
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) and set(properties) != set(schema.get("required", ())):
        return False
    if schema.get("type") == "object" and not isinstance(properties, dict):
        return False
    return "default" not in schema and all(map(_is_strict, schema.values()))
