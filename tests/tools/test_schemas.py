"""JSON schemas from the source of tools."""

from typing import Any

import pytest

from services.tools.schemas.function import tool_schema
from services.tools.schemas.source import BadSource
from tests.tools.sources import roll_dice, tool_source


def parameter(annotation: str, before: str = "", default: str = "") -> dict[str, Any]:
    """The schema of a tool's parameter of this type, without its description."""
    source = tool_source(parameters=f"x: {annotation}{default}", documented="x: The x.")
    schema = tool_schema(f"{before}\n{source}")["parameters"]["properties"]["x"]
    assert schema.pop("description") == "The x."
    return dict(schema)


def problem(source: str, **options: Any) -> str:
    with pytest.raises(BadSource) as caught:
        tool_schema(source, **options)
    return str(caught.value)


def test_signature_and_docstring_become_the_schema() -> None:
    schema = tool_schema(roll_dice())

    assert schema == {
        "name": "roll_dice",
        "description": "Does something.",
        "parameters": {
            "type": "object",
            "properties": {"num_sides": {"type": "integer", "description": "Sides."}},
            "required": ["num_sides"],
        },
    }


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("str", {"type": "string"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("Optional[int]", {"type": "integer"}),
        ("int | None", {"type": "integer"}),
        ("typing.Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
        ("Literal['a', 1]", {"enum": ["a", 1]}),
        ("List[str]", {"type": "array", "items": {"type": "string"}}),
        ("list", {"type": "array", "items": {}}),
        ("dict", {"type": "object"}),
        ("Dict[str, list]", {"type": "object", "additionalProperties": {"type": "array", "items": {}}}),
        ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
        ("tuple[int, int]", {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
        ("'int'", {"type": "integer"}),
        ("Annotated[int, 'ignored here']", {"type": "integer"}),
        ("datetime.datetime", {"type": "string", "format": "date-time"}),
        ("Any", {}),
    ],
)  # fmt: skip
def test_annotations(annotation: str, expected: dict[str, Any]) -> None:
    assert parameter(annotation) == expected


def test_an_enum_whose_values_are_no_constants_may_be_anything() -> None:
    assert parameter("Color", "class Color(Enum):\n    RED = shade(1)\n    BLUE = shade(2)\n") == {}


def test_parameters_by_position_only_are_refused() -> None:
    said = problem(tool_source(parameters="a: int, /, b: int", documented="a: A.\nb: B."))

    assert "'a' of probe" in said
    assert "remove the /" in said


def test_enum_of_the_source() -> None:
    enum = "class Color(str, Enum):\n    RED = 'red'\n    BLUE = 'blue'\n"

    assert parameter("Color", enum) == {"type": "string", "enum": ["red", "blue"]}


def test_type_alias_of_the_source() -> None:
    assert parameter("Unit", "Unit = Literal['c', 'f']") == {"type": "string", "enum": ["c", "f"]}


def test_pydantic_model_of_the_source() -> None:
    models = (
        "class Base(BaseModel):\n    sku: str = Field(..., description='Its number.', min_length=2)\n"
        "class Item(Base):\n    price: float = 1.5\n    note: Optional[str] = None\n    owner: Optional[str]\n"
    )

    assert parameter("Item", models) == {
        "type": "object",
        "properties": {
            "sku": {"type": "string", "description": "Its number.", "minLength": 2},
            "price": {"type": "number"},
            "note": {"type": "string"},
            "owner": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["sku", "owner"],
    }


def test_dataclass_and_typed_dict_of_the_source() -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x"]}

    assert parameter("P", "@dataclass\nclass P:\n    x: int\n    y: int = 0\n") == point
    assert parameter("P", "class P(TypedDict):\n    x: int\n    y: NotRequired[int]\n") == point


def test_what_has_a_default_or_may_be_none_is_not_required() -> None:
    source = tool_source(
        parameters="a: int, b: int = 1, c: Optional[int] = None, *, d: int | None, e: str",
        documented="a: A\nb: B\nc: C\nd: D\ne: E",
    )

    assert tool_schema(source)["parameters"]["required"] == ["a", "e"]


def test_a_description_may_stand_in_the_annotation() -> None:
    schema = tool_schema(tool_source(parameters="x: Annotated[int, Field(description='The x.')]"))

    assert schema["parameters"]["properties"] == {"x": {"type": "integer", "description": "The x."}}


def test_the_server_supplies_agent_state() -> None:
    schema = tool_schema(tool_source(parameters="self, agent_state: AgentState"))

    assert schema["parameters"]["properties"] == {}


def test_the_last_function_is_the_tool() -> None:
    assert tool_schema(roll_dice("first") + roll_dice("second"))["name"] == "second"


def test_long_description_and_examples_are_told_to_the_model() -> None:
    docstring = "Short.\n\n    Long.\n\n    Examples:\n        probe()\n\n    Returns:\n        Nothing."
    source = f'def probe():\n    """{docstring}"""\n'

    assert tool_schema(source)["description"] == "Short.\n\nLong.\n\nExamples:\nprobe()"


def test_schema_of_arguments_replaces_signature_and_docstring() -> None:
    arguments = {
        "title": "Order",
        "$defs": {"Item": {"title": "Item", "type": "object", "properties": {"title": {"type": "string"}}}},
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
            "days": {"type": "integer", "description": "How many.", "default": 3},
        },
        "required": ["items"],
    }

    assert tool_schema("def order(items, days=3): pass", args_json_schema=arguments) == {
        "name": "order",
        "description": "The order tool",
        "parameters": {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"type": "object", "properties": {"title": {"type": "string"}}}},
                "days": {"type": "integer", "description": "How many."},
            },
            "required": ["items"],
        },
    }


def test_a_syntax_error_says_where() -> None:
    assert "line 1, column 12" in problem("def broken(:\n  pass")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "no function"),
        ("x = 1", "no function"),
        ("def f(x: int):\n    return x\n", "needs a docstring"),
        (tool_source(parameters="x: int"), "'x' of probe needs a description"),
        (tool_source(parameters="x", documented="x: The x."), "'x' of probe needs a type"),
        (tool_source(parameters="x: Elsewhere", documented="x: The x."), "Elsewhere is not defined"),
        ("class A: pass\n" + tool_source(parameters="x: A", documented="x: The x."), "class A has no JSON form"),
        ("def f():\0", "null bytes"),
        ("x = " + "(" * 5000 + ")" * 5000, "is not valid Python"),
    ],
)
def test_what_cannot_be_used_is_named(source: str, said: str) -> None:
    assert said in problem(source)


def test_types_that_contain_themselves_are_refused() -> None:
    tree = "class Tree(BaseModel):\n    children: list['Tree']\n"
    definitions = {"$defs": {"T": {"$ref": "#/$defs/T"}}, "properties": {"t": {"$ref": "#/$defs/T"}}}

    assert "contains itself" in problem(tree + tool_source(parameters="x: Tree", documented="x: The x."))
    assert "contains itself" in problem(roll_dice(), args_json_schema=definitions)


def test_a_json_schema_must_be_for_the_function() -> None:
    assert "'other'" in problem(roll_dice(), json_schema={"name": "other"})


@pytest.mark.parametrize(
    ("before", "annotation"),
    [
        ("class A(B): pass\nclass B(A): pass\n", "A"),
        ("".join(f"class C{i}(BaseModel):\n    a: C{i + 1}\n" for i in range(500)), "C0"),
        ("C9=int\n" + "".join(f"C{i}=tuple[C{i - 1}, C{i - 1}]\n" for i in range(10, 50)), "C49"),
        ("".join(f"class C{i}(C{i + 1}, C{i + 1}):\n    a: int\n" for i in range(40)), "C0"),
        ("", "Literal[b'x']"),
        ("", "Literal[1e999]"),
        ("", f"Literal[{10**30}]"),
        ("", "Literal['\\ud800']"),
        ("", "Literal['\\0']"),
        ("", "Literal[{[]: 1}]"),
        ("", "Literal[...]"),
        ("", "list[()]"),
        ("class M(BaseModel):\n    a: int = Field(ge=1e999, description=b'x')\n", "M"),
    ],
)
def test_types_that_make_no_schema_of_a_size_or_kind_to_keep_are_refused(before: str, annotation: str) -> None:
    problem(before + tool_source(parameters=f"x: {annotation}", documented="x: The x."))


def test_definitions_that_grow_when_they_are_put_in_place_are_refused() -> None:
    twice = {f"D{i}": {"anyOf": [{"$ref": f"D{i + 1}"}, {"$ref": f"D{i + 1}"}]} for i in range(40)}
    definitions = {**twice, "D40": {"type": "string"}}

    assert "more than" in problem(
        roll_dice(), args_json_schema={"$defs": definitions, "properties": {"x": {"$ref": "D0"}}}
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"$defs": "x", "properties": {}},
        {"$defs": {"A": "x"}, "properties": {"x": {"$ref": "A"}}},
        {"properties": {"x": {"properties": "x"}}},
        {"properties": {"x": 5}},
        {"properties": {}, "required": "x"},
    ],
)
def test_a_schema_of_arguments_that_is_none_is_refused(arguments: dict[str, Any]) -> None:
    problem(roll_dice(), args_json_schema=arguments)


@pytest.mark.parametrize(
    "schema",
    [
        {"description": {"a": 1}},
        {"parameters": {"properties": "x"}},
        {"parameters": {"properties": {"x": 5}}},
        {"parameters": {"required": "x"}},
        {"parameters": {"properties": {"x": {"default": 10**30}}}},
        {"parameters": {"properties": {"x": {"default": float("inf")}}}},
    ],
)
def test_a_json_schema_that_providers_refuse_is_refused(schema: dict[str, Any]) -> None:
    problem(roll_dice(), json_schema=schema)
