"""Path and query parameters: defaults filled in and rules checked, as `rest.proto` writes them."""

from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from perdure.options.v1 import rest_pb2 as options
from services.common.errors import Json, Unprocessable
from services.common.ids import is_id

Problem = tuple[str, str]  # the type of the problem, and what to tell the caller

_READ: dict[int, Any] = {  # how the text of a default becomes a value, by field type
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: lambda text: text == "true",
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
}


def check_parameters(request: Message, in_path: frozenset[str]) -> None:
    """Fills in defaults and raises `Unprocessable`, naming every parameter that breaks its rule."""
    problems: list[Json] = []
    for field, rule in _rules(request.DESCRIPTOR):
        where = "path" if field.name in in_path else "query"
        for kind, text in _check(request, field, rule):
            problems.append({"type": kind, "loc": [where, field.name], "msg": text})
    if problems:
        raise Unprocessable(problems)


@cache
def _rules(message: Descriptor) -> list[tuple[FieldDescriptor, options.RestParameter]]:
    return [
        (field, field.GetOptions().Extensions[options.parameter])
        for field in message.fields
        if field.GetOptions().HasExtension(options.parameter)
    ]


def _check(request: Message, field: FieldDescriptor, rule: options.RestParameter) -> list[Problem]:
    value = getattr(request, field.name)
    if value or (field.has_presence and request.HasField(field.name)):
        return [problem for one in (value if field.is_repeated else (value,)) for problem in _broken(one, rule)]
    if rule.default_value:
        setattr(request, field.name, _READ[field.cpp_type](rule.default_value))
    return [("missing", "This parameter is needed.")] if rule.required else []


def _broken(value: Any, rule: options.RestParameter) -> list[Problem]:
    if rule.values and value not in rule.values:
        return [("enum", f"{value!r} is none of: {', '.join(rule.values)}.")]
    if rule.HasField("minimum") and value < rule.minimum:
        return [("greater_than_equal", f"{value} is too small: at least {rule.minimum}.")]
    if rule.HasField("maximum") and value > rule.maximum:
        return [("less_than_equal", f"{value} is too large: at most {rule.maximum}.")]
    if rule.id_prefixes and value not in rule.id_words and not is_id(value, *rule.id_prefixes):
        forms = " or ".join(f"'{prefix}-<uuid4>'" for prefix in rule.id_prefixes)
        return [("string_pattern_mismatch", f"{value!r} is not an id of the form {forms}.")]
    return []
