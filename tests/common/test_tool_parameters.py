"""Schemas of tools as providers take them."""

import pytest

from services.common.tool_parameters import MAX_PARTS, tool_parameters
from services.contract.json_object import JsonObject

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {"type": "object", "properties": {}, "required": []}),
        (
            {"$schema": "x", "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "gone"]},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        (
            {"properties": {"p": {"$ref": "#/$defs/P", "description": "Who."}}, "$defs": {"P": PERSON}},
            {"type": "object", "properties": {"p": {**PERSON, "description": "Who."}}, "required": []},
        ),
        (
            {"anyOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]},
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": []},
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]},
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
        ),
        (
            {"properties": {"a": {"type": "array"}, "b": True, "c[d]": {}, "e" * 65: {}}, "required": ["b", "c[d]"]},
            {"type": "object", "properties": {"a": {"type": "array", "items": {}}, "b": {}}, "required": ["b"]},
        ),
        (
            {"properties": {"a": {"type": ["array", "null"]}}, "enum": [{}], "not": {}},
            {"type": "object", "properties": {"a": {"type": ["array", "null"], "items": {}}}, "required": []},
        ),
        (
            {"properties": {"definitions": {"type": "string"}, "a": {"default": {"$ref": "kept"}}}},
            {
                "type": "object",
                "properties": {"definitions": {"type": "string"}, "a": {"default": {"$ref": "kept"}}},
                "required": [],
            },
        ),
        ({"properties": None, "required": None}, {"type": "object", "properties": {}, "required": []}),
        (
            {"anyOf": None, "oneOf": [{"properties": None}], "allOf": [{"properties": [], "required": [["a"]]}]},
            {"type": "object", "properties": {}, "required": []},
        ),
    ],
)
def test_schemas_become_objects_without_references(schema: JsonObject, expected: JsonObject) -> None:
    assert tool_parameters(schema) == expected


def test_a_schema_that_holds_itself_ends() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#", "description": "Below."}}}

    child = tool_parameters(tree)["properties"]["child"]

    assert child["properties"]["child"] == {"type": "object", "description": "Below."}


def test_a_schema_that_grows_without_end_stays_small() -> None:
    many = 10
    definitions = {
        f"d{n}": {"properties": {str(i): {"$ref": f"#/$defs/d{n + 1}"} for i in range(many)}} for n in range(9)
    }

    parameters = tool_parameters({"$ref": "#/$defs/d0", "$defs": definitions})

    assert len(str(parameters)) < 50 * many * MAX_PARTS
