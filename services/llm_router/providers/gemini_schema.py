"""JSON schemas in the subset of OpenAPI that Gemini takes.  https://ai.google.dev/api/caching#Schema"""

from functools import lru_cache

from services.llm_router.providers.spoken import Json
from services.llm_router.providers.strict_schema import read_schema

_KEPT = (
    "description",
    "title",
    "default",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
)
_TOLD_ONCE = ("description", "title")  # of alternatives
_FORMATS = ("date-time", "enum", "int32", "int64", "float", "double")


class NotInSubset(Exception):
    """The schema says something for which the subset has no words."""


@lru_cache(maxsize=1024)
def convert_parameters(schema: str) -> Json:
    """The declaration of a tool's parameters: in the subset if it fits there, else as the JSON schema that it is."""
    read = read_schema(schema)
    if not read.get("properties"):
        return {}
    try:
        return {"parameters": convert_schema(read)}
    except NotInSubset:
        return {"parametersJsonSchema": read}


def convert_schema(schema: Json) -> Json:
    """A schema in the subset, with its references put in place. Raises `NotInSubset`."""
    try:
        return _convert(schema, schema, frozenset())
    except (AttributeError, KeyError, TypeError) as exc:
        raise NotInSubset("true or false as a schema, or what is none") from exc


def _convert(schema: Json, root: Json, within: frozenset[str]) -> Json:
    if "$ref" in schema:
        reference = schema["$ref"]
        if reference in within:
            raise NotInSubset(f"{reference} holds itself")
        return _convert({**_resolve(root, reference), **_without(schema, "$ref")}, root, within | {reference})
    if "allOf" in schema:
        merged = {key: value for part in schema["allOf"] for key, value in part.items()}
        return _convert({**merged, **_without(schema, "allOf")}, root, within)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options or isinstance(schema.get("type"), list):
        return _convert_options(schema, options, root, within)
    converted = {key: schema[key] for key in _KEPT if key in schema}
    if schema.get("format") in _FORMATS:
        converted["format"] = schema["format"]
    return converted | _convert_typed(schema, root, within)


def _convert_options(schema: Json, options: list[Json] | None, root: Json, within: frozenset[str]) -> Json:
    """Alternatives; null among them becomes `nullable`, and one that is left alone stands for all."""
    rest = _without(schema, "anyOf", "oneOf")
    if options is None:
        options = [{**rest, "type": kind} for kind in schema["type"]]
    real = [option for option in options if option.get("type") != "null"]
    nullable: Json = {"nullable": True} if len(real) < len(options) else {}
    if not real:
        return {"type": "NULL"}
    shared = rest if isinstance(rest.get("type"), str) else _without(rest, "type")
    if len(real) == 1:
        return _convert({**shared, **real[0]}, root, within) | nullable
    shared = _without(shared, *_TOLD_ONCE)
    converted: Json = {"anyOf": [_convert({**shared, **option}, root, within) for option in real], **nullable}
    return converted | {key: rest[key] for key in _TOLD_ONCE if key in rest}


def _convert_typed(schema: Json, root: Json, within: frozenset[str]) -> Json:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if values is not None:
        if not all(isinstance(value, str) and value for value in values):
            raise NotInSubset("values other than strings, or empty ones")
        return {"type": "STRING", "enum": values}
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    if kind == "array":
        return {"type": "ARRAY", "items": _convert(schema.get("items") or {}, root, within)}
    if kind != "object":
        return {"type": kind.upper()}
    if not schema.get("properties"):
        raise NotInSubset("an object of any form")
    properties = {name: _convert(part, root, within) for name, part in schema["properties"].items()}
    required = [name for name in schema.get("required", ()) if name in properties]
    converted: Json = {"type": "OBJECT", "properties": properties}
    return {**converted, "required": required} if required else converted


def _resolve(root: Json, reference: str) -> Json:
    found = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def _without(schema: Json, *keys: str) -> Json:
    return {key: value for key, value in schema.items() if key not in keys}
