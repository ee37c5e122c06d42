"""A value that satisfies a JSON schema."""

from typing import Any

from tests.fakes.provider.prompt import Body

_SCALARS: dict[str, Any] = {"boolean": True, "null": None}  # Any: the values are JSON
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uri": "https://example.com/",
}


def make_value(schema: Body, text: str, root: Body | None = None) -> Any:  # Any: a value of JSON
    """A value for the schema (type names in either case); free strings hold the text, which must not be empty."""
    root = root or schema
    if "$ref" in schema:
        return make_value(_resolve(root, schema["$ref"]), text, root)
    for fixed in ("const", "default"):
        if schema.get(fixed) is not None:
            return schema[fixed]
    if schema.get("enum"):
        return schema["enum"][0]
    for union in ("anyOf", "oneOf", "allOf"):
        if schema.get(union):
            return make_value(schema[union][0], text, root)
    return _make_typed(schema, text, root)


def type_name(schema: Body) -> str:
    """The first type that a schema names, in lower case."""
    named = schema.get("type") or ("object" if "properties" in schema else "string")
    return str(named[0] if isinstance(named, list) else named).lower()


def _make_typed(schema: Body, text: str, root: Body) -> Any:  # Any: a value of JSON
    kind = type_name(schema)
    if kind == "object":
        return {name: make_value(part, text, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [make_value(schema.get("items") or {}, text, root)] * max(1, int(schema.get("minItems", 1)))
    if kind in ("integer", "number"):
        return _make_number(schema)
    if kind == "string":
        return _make_string(schema, text)
    return _SCALARS.get(kind)


def _make_number(schema: Body) -> int | float:
    least = float(schema.get("minimum") or schema.get("exclusiveMinimum") or 0)
    return int(min(least + 1, float(schema.get("maximum", least + 1))))


def _make_string(schema: Body, text: str) -> str:
    value = _FORMATS.get(schema.get("format", ""), text)
    return value.ljust(int(schema.get("minLength", 0)), ".")[: schema.get("maxLength")]


def _resolve(root: Body, reference: str) -> Body:
    found: Any = root  # Any: walks down a JSON document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name] if name != "#" else found
    return dict(found)
