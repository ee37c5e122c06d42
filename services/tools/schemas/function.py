"""The JSON schema of a tool, from its function or from a schema of its arguments."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from services.contract.json_object import JsonObject
from services.tools.schemas.arguments import parameters_of
from services.tools.schemas.classes import read_class
from services.tools.schemas.docstrings import read_docstring
from services.tools.schemas.source import BadSource, Function, read_source
from services.tools.schemas.types import TypeReader, allows_null, without_null
from services.tools.schemas.usable import usable

AGENT_STATE = "agent_state"
SUPPLIED = frozenset(("self", AGENT_STATE))  # parameters that the server fills, not the model


@dataclass(frozen=True)
class Parameter:
    """A parameter of the tool."""

    name: str
    annotation: ast.expr | None
    has_default: bool


def tool_schema(
    code: str, *, json_schema: JsonObject | None = None, args_json_schema: JsonObject | None = None
) -> JsonObject:
    """`{name, description, parameters}` of the last function in the code, which is only read.

    A `json_schema` is taken as it is, an `args_json_schema` gives the parameters. Raises `BadSource`.
    """
    source = read_source(code)
    if json_schema is not None:
        return usable(_named(json_schema, source.tool.name))
    try:
        if args_json_schema:
            return usable(_from_arguments(source.tool, args_json_schema))
        return usable(_from_signature(source.tool, TypeReader(source, read_class)))
    except RecursionError as exc:
        raise BadSource(f"The types of the arguments of {source.tool.name} are nested too deeply.") from exc


def takes_agent_state(code: str) -> bool:
    """Whether the tool in the code wants the agent that calls it. Code that cannot be read wants nothing."""
    if AGENT_STATE not in code:
        return False
    try:
        signature = read_source(code).tool.args
    except BadSource:
        return False
    return AGENT_STATE in [one.arg for one in (*signature.args, *signature.kwonlyargs)]


def _named(json_schema: JsonObject, function: str) -> JsonObject:
    name = json_schema.get("name", function)
    if name != function:
        raise BadSource(f"The json_schema is for {name!r}, but the function in the source code is {function!r}.")
    return {"name": function, **json_schema}


def _from_arguments(function: Function, args_json_schema: JsonObject) -> JsonObject:
    description = read_docstring(function).text or f"The {function.name} tool"
    return {"name": function.name, "description": description, "parameters": parameters_of(args_json_schema)}


def _from_signature(function: Function, types: TypeReader) -> JsonObject:
    documentation = read_docstring(function)
    if not documentation.text:
        raise BadSource(f"The function {function.name} needs a docstring that says what it does.")
    properties: JsonObject = {}
    required: list[str] = []
    for parameter in _parameters(function):
        schema = _read_type(function, parameter, types)
        if not parameter.has_default and not allows_null(schema):
            required.append(parameter.name)
        properties[parameter.name] = _described(function, parameter, without_null(schema), documentation.parameters)
    return {
        "name": function.name,
        "description": documentation.text,
        "parameters": {"type": "object", "properties": properties, "required": required},
    }


def _parameters(function: Function) -> Iterator[Parameter]:
    signature = function.args
    first_default = len(signature.args) - len(signature.defaults)
    defaults = [index >= first_default for index in range(len(signature.args))]
    defaults += [default is not None for default in signature.kw_defaults]
    for argument, has_default in zip([*signature.args, *signature.kwonlyargs], defaults, strict=True):
        if argument.arg not in SUPPLIED:
            yield Parameter(argument.arg, argument.annotation, has_default)


def _read_type(function: Function, parameter: Parameter, types: TypeReader) -> JsonObject:
    if parameter.annotation is None:
        raise BadSource(f"The parameter {parameter.name!r} of {function.name} needs a type annotation.")
    try:
        return types.read(parameter.annotation)
    except BadSource as exc:
        raise BadSource(f"The parameter {parameter.name!r} of {function.name} cannot be described: {exc}") from exc


def _described(function: Function, parameter: Parameter, schema: JsonObject, texts: dict[str, str]) -> JsonObject:
    description = texts.get(parameter.name) or schema.get("description")
    if not description:
        raise BadSource(
            f"The parameter {parameter.name!r} of {function.name} needs a description under Args in the docstring."
        )
    return {**schema, "description": description}
