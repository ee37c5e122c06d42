"""Whether the JSON schema of a tool can be kept and be sent to providers."""

import json
import re
from typing import Any

import orjson

from services.common.bodies import find_nul
from services.contract.json_object import JsonObject
from services.tools.schemas.source import BadSource

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what every provider takes


def usable(schema: JsonObject) -> JsonObject:
    """The schema itself. Raises `BadSource` for one that providers refuse: it would make every request with it fail."""
    name, description = schema["name"], schema.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadSource(f"{name!r} cannot be the name of a tool: up to 64 of the letters A-Z and a-z, digits, _ and -.")
    if description is not None and not isinstance(description, str):
        raise BadSource("The description of a json_schema is a text.")
    if not _describes_object(schema.get("parameters", {})):
        raise BadSource(
            "The parameters of a json_schema are the JSON schema of an object: "
            "its properties are schemas by name, and required lists names."
        )
    _check_values(schema)
    return schema


def _describes_object(parameters: Any) -> bool:  # Any: whatever JSON holds
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        return False
    properties, required = parameters.get("properties") or {}, parameters.get("required") or []
    return (
        isinstance(properties, dict)
        and all(isinstance(one, dict | bool) for one in properties.values())
        and isinstance(required, list)
        and all(isinstance(one, str) for one in required)
    )


def _check_values(schema: JsonObject) -> None:
    """Python's constants, and some numbers of JSON, cannot be written as JSON that everybody reads."""
    try:
        orjson.dumps(schema)
        json.dumps(schema, allow_nan=False)  # the former writes null for infinity
    except (TypeError, ValueError) as exc:
        raise BadSource(f"The schema of the tool cannot be written as JSON: {exc}.") from exc
    if next(find_nul(schema), None) is not None:
        raise BadSource("The schema of the tool holds the character NUL, which cannot be stored.")
