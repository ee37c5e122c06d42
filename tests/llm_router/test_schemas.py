"""Schemas of tools in the forms that providers take."""

import json
from typing import Any

import pytest

from services.llm_router.providers.gemini_schema import NotInSubset, convert_parameters, convert_schema
from services.llm_router.providers.strict_schema import close_objects, read_schema, read_strict_schema

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def test_a_schema_with_all_properties_required_becomes_strict() -> None:
    schema = object_of(inner=object_of(n={"type": "integer"}))

    strict = read_strict_schema(json.dumps(schema))

    assert strict is not None
    assert strict["additionalProperties"] is False
    assert strict["properties"]["inner"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"n": {"type": "integer"}}},
        object_of(any={"type": "object"}),
        object_of(n={"type": "integer", "default": 3}),
        object_of(n={"type": "integer", "minimum": 1}),
        object_of(n={"oneOf": [{"type": "integer"}, {"type": "string"}]}),
        object_of(n={"type": "string", "format": "phone"}),
        object_of(n={"type": "array"}),
        object_of(n={}),
        object_of(n={**object_of(a={"type": "string"}), "additionalProperties": True}),
        object_of(n={**object_of(a={"type": "string"}), "required": True}),
    ],
)
def test_a_schema_that_strictness_would_change_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert read_strict_schema(json.dumps(schema)) is None


def test_an_argument_called_properties_is_closed_like_any_other() -> None:
    closed = close_objects(object_of(properties=object_of(a={"type": "string"})))

    assert isinstance(closed, dict)
    assert list(closed["properties"]) == ["properties"]
    assert closed["properties"]["properties"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("schema", "properties"),
    [
        ({}, {}),
        ({"anyOf": [object_of(a={"type": "array"})]}, {"a": {"type": "array", "items": {}}}),
        ({"$ref": "#/$defs/A", "$defs": {"A": object_of(a={})}}, {"a": {}}),
    ],
)
def test_a_schema_that_providers_would_refuse_becomes_that_of_an_object(
    schema: dict[str, Any], properties: dict[str, Any]
) -> None:
    read = read_schema(json.dumps(schema))

    assert read.keys() == {"type", "properties", "required"}
    assert (read["type"], read["properties"]) == ("object", properties)


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    assert read_schema("") == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, {"type": "INTEGER"}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "INTEGER", "nullable": True}),
        (
            {"oneOf": [{"type": "integer"}, {"type": "string"}], "description": "d"},
            {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}], "description": "d"},
        ),
        ({"enum": ["a", "b"]}, {"type": "STRING", "enum": ["a", "b"]}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        ({"type": "string", "format": "uri", "examples": ["x"]}, {"type": "STRING"}),
        ({"allOf": [{"type": "integer"}], "description": "d"}, {"type": "INTEGER", "description": "d"}),
        ({"type": ["null"]}, {"type": "NULL"}),
        (
            {**object_of(a={"type": "integer"}), "required": [], "anyOf": [{"required": ["a"]}, {"title": "Any"}]},
            {
                "anyOf": [
                    {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]},
                    {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "title": "Any"},
                ]
            },
        ),
    ],
)
def test_a_schema_is_put_into_geminis_words(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert convert_schema(schema) == expected


def test_references_are_put_in_place() -> None:
    schema = {**object_of(who={"$ref": "#/$defs/Person"}), "$defs": {"Person": object_of(name={"type": "string"})}}

    converted = convert_schema(schema)

    assert converted["properties"]["who"]["properties"] == {"name": {"type": "STRING"}}
    assert "$defs" not in converted


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"enum": [1, 2]},
        {"enum": ["", "a"]},
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
        object_of(child={"$ref": "#"}),
        {"$ref": "https://schemas.example/node.json"},
        {"type": "array", "items": True},
        {"anyOf": [{"type": "string"}, True]},
        {"type": "object", "properties": {"a": "string"}},
    ],
)
def test_what_geminis_words_cannot_say_is_told_apart(schema: dict[str, Any]) -> None:
    with pytest.raises(NotInSubset):
        convert_schema(schema)


def test_a_tool_that_does_not_fit_the_subset_is_declared_with_its_own_schema() -> None:
    schema = object_of(any={"type": "object"})

    assert convert_parameters(json.dumps(schema)) == {"parametersJsonSchema": schema}
    assert convert_parameters("") == {}
