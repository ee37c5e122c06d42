"""Classes of a tool's source to JSON schema: enums, pydantic models, dataclasses, typed dicts."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from services.contract.json_object import JsonObject
from services.tools.schemas.docstrings import read_docstring
from services.tools.schemas.source import BadSource
from services.tools.schemas.types import TypeReader, last_name, values_schema, without_null

_ENUMS = frozenset(("Enum", "StrEnum", "IntEnum"))
_OBJECTS = frozenset(("BaseModel", "TypedDict", "NamedTuple"))
_CONSTRAINTS = {  # of pydantic's Field, as JSON schema calls them
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
    "description": "description",
}


@dataclass(frozen=True)
class Member:
    """A field of an object class."""

    name: str
    schema: JsonObject
    is_required: bool


def read_class(types: TypeReader, node: ast.ClassDef) -> JsonObject:
    """The JSON schema of a class. Raises `BadSource` for one that JSON cannot fill."""
    bases = {last_name(base) for base in node.bases if isinstance(base, ast.Name | ast.Attribute)}
    if bases & _ENUMS:
        values = list(_enum_values(node, bases))
        return values_schema(values) if values else {}  # no constants: only the tool's code knows them
    if not _is_object(types, node):
        raise BadSource(f"The class {node.name} has no JSON form: make it a pydantic model, a dataclass or an Enum.")
    members = {member.name: member for member in _members(types, node)}
    schema: JsonObject = {
        "type": "object",
        "properties": {name: member.schema for name, member in members.items()},
        "required": [name for name, member in members.items() if member.is_required],
    }
    about = read_docstring(node).summary
    return {**schema, "description": about} if about else schema


def _is_object(types: TypeReader, node: ast.ClassDef) -> bool:
    decorators = [item.func if isinstance(item, ast.Call) else item for item in node.decorator_list]
    if any(last_name(item) == "dataclass" for item in decorators if isinstance(item, ast.Name | ast.Attribute)):
        return True
    return any(last_name(base) in _OBJECTS for base in node.bases) or any(
        _is_object(types, parent) for parent in _parents(types, node)
    )


def _parents(types: TypeReader, node: ast.ClassDef) -> list[ast.ClassDef]:
    found = [types.class_named(last_name(base)) for base in node.bases if isinstance(base, ast.Name | ast.Attribute)]
    return [parent for parent in found if parent is not None and parent is not node]


def _enum_values(node: ast.ClassDef, bases: set[str]) -> Iterator[object]:
    count = 0
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                yield value
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=called)) if last_name(called) == "auto":
                yield name.lower() if "StrEnum" in bases else count + 1
            case _:
                continue
        count += 1


def _members(types: TypeReader, node: ast.ClassDef) -> Iterator[Member]:
    for parent in _parents(types, node):
        yield from _members(types, parent)
    texts = read_docstring(node).parameters
    is_total = not any(word.arg == "total" and ast.unparse(word.value) == "False" for word in node.keywords)
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_member(field):
            wrapper = _wrapper(field.annotation)
            can_be_required = wrapper == "Required" or (is_total and wrapper != "NotRequired")
            schema = types.read(field.annotation)
            if field.target.id in texts:
                schema["description"] = texts[field.target.id]
            yield _member(field.target.id, schema, field.value, can_be_required=can_be_required)


def _is_member(field: ast.AnnAssign) -> bool:
    name = last_name(field.target)
    return not name.startswith("_") and name != "model_config" and _wrapper(field.annotation) != "ClassVar"


def _wrapper(annotation: ast.expr) -> str:
    return last_name(annotation.value) if isinstance(annotation, ast.Subscript) else ""


def _member(name: str, schema: JsonObject, default: ast.expr | None, *, can_be_required: bool) -> Member:
    if isinstance(default, ast.Call) and last_name(default.func) in ("Field", "field"):
        options = {keyword.arg: keyword.value for keyword in default.keywords}
        schema = {**schema, **_constraints(options, is_array=schema.get("type") == "array")}
        alias = options.get("alias")
        name = str(alias.value) if isinstance(alias, ast.Constant) else name
        default = default.args[0] if default.args else options.get("default") or options.get("default_factory")
    is_required = can_be_required and (default is None or (isinstance(default, ast.Constant) and default.value is ...))
    return Member(name, schema if is_required else without_null(schema), is_required)


def _constraints(options: dict[str | None, ast.expr], *, is_array: bool) -> JsonObject:
    sizes = {"min_length": "minItems", "max_length": "maxItems"}
    if not is_array:
        sizes = {"min_length": "minLength", "max_length": "maxLength"}
    names = {**_CONSTRAINTS, **sizes}
    return {
        names[option]: value.value
        for option, value in options.items()
        if option in names and isinstance(value, ast.Constant)
    }
