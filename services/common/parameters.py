"""Path and query parameters: defaults filled in and rules checked, as `rest.proto` writes them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from perdure.options.v1 import rest_pb2 as options
from services.common.bodies import NUL_PROBLEM, NUL_TYPE
from services.common.errors import Json, Unprocessable
from services.common.ids import is_id

Problem = tuple[str, str]  # the type of the problem, and what to tell the caller

NOT_UTF8 = "Text has to be UTF-8."

_READ: dict[int, Any] = {  # how the text of a default becomes a value, by field type
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: lambda text: text == "true",
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
}


def read_request(kind: type[Message], data: bytes, in_path: frozenset[str]) -> Message:
    """The request with the parameters as they were sent. Raises `Unprocessable` for text that is not UTF-8."""
    try:
        return kind.FromString(data)
    except DecodeError as exc:
        names = [kind.DESCRIPTOR.fields_by_number[number].name for number in _not_utf8(data)]
        raise Unprocessable([_problem(name, in_path, "string_unicode", NOT_UTF8) for name in names]) from exc


def _not_utf8(data: bytes) -> Iterator[int]:
    """The numbers of the fields that hold other bytes than text."""
    fields = UnknownFieldSet(Empty.FromString(data))
    for field in (fields[index] for index in range(len(fields))):
        if not isinstance(field.data, bytes):
            continue
        try:
            field.data.decode()
        except UnicodeDecodeError:
            yield field.field_number


def check_parameters(request: Message, in_path: frozenset[str]) -> None:
    """Fills in defaults and raises `Unprocessable`, naming every parameter that breaks its rule."""
    problems: list[Json] = []
    for field, value in request.ListFields():
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and "\0" in "".join(value):
            problems.append(_problem(field.name, in_path, NUL_TYPE, NUL_PROBLEM))
    for field, rule in _rules(request.DESCRIPTOR):
        for kind, text in _check(request, field, rule):
            problems.append(_problem(field.name, in_path, kind, text))
    if problems:
        raise Unprocessable(problems)


def _problem(name: str, in_path: frozenset[str], kind: str, text: str) -> Json:
    return {"type": kind, "loc": ["path" if name in in_path else "query", name], "msg": text}


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
