"""Type annotations, as syntax, to JSON schema."""

import ast
from collections.abc import Callable, Sequence
from typing import Any

from services.contract.json_object import JsonObject
from services.tools.schemas.source import BadSource, Source, check_parts

_PLAIN: dict[str, JsonObject] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Decimal": {"type": "number"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "UUID": {"type": "string", "format": "uuid"},
    "Path": {"type": "string"},
    "None": {"type": "null"},
    "Any": {},
    "object": {},
}
_ARRAYS = frozenset(
    ("list", "List", "Sequence", "Iterable", "Collection", "set", "Set", "frozenset", "FrozenSet", "tuple", "Tuple")
)
_MAPPINGS = frozenset(("dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict"))
_WRAPPERS = frozenset(("Final", "Required", "NotRequired", "ReadOnly"))  # say nothing about the value
_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
_NULL = _PLAIN["None"]


class TypeReader:
    """Reads the annotations of one source. Raises `BadSource` for a type that JSON cannot hold or nobody knows."""

    def __init__(self, source: Source, read_class: "Callable[[TypeReader, ast.ClassDef], JsonObject]") -> None:
        self._source = source
        self._read_class = read_class
        self._open: list[str] = []  # the names being read, to find types that contain themselves
        self._parts = 0  # read so far

    def read(self, annotation: ast.expr) -> JsonObject:
        """The JSON schema of an annotation; a value that may be None has an `anyOf` with null."""
        self._count()
        match annotation:
            case ast.Constant(value=None):
                return dict(_NULL)
            case ast.Constant(value=str(text)):
                return self.read(_expression(text))
            case ast.Name() | ast.Attribute():
                return self._named(last_name(annotation))
            case ast.BinOp(op=ast.BitOr()):
                return self._union(_alternatives(annotation))
            case ast.Subscript(value=generic, slice=argument):
                arguments = argument.elts if isinstance(argument, ast.Tuple) else [argument]
                if arguments:
                    return self._generic(last_name(generic), arguments)
        raise _unknown(annotation)

    def class_named(self, name: str) -> ast.ClassDef | None:
        """The class of that name in the source."""
        self._count()
        return self._source.classes.get(name)

    def _count(self) -> None:
        self._parts += 1
        check_parts(self._parts)

    def _named(self, name: str) -> JsonObject:
        node = self._source.classes.get(name) or self._source.aliases.get(name)
        if node is not None:
            return self._within(name, node)
        if name in _ARRAYS:
            return {"type": "array", "items": {}}
        if name in _MAPPINGS:
            return {"type": "object"}
        if name in _PLAIN:
            return dict(_PLAIN[name])
        raise BadSource(f"The type {name} is not defined in the source; use a type that is, or send a json_schema.")

    def _within(self, name: str, node: ast.ClassDef | ast.expr) -> JsonObject:
        if name in self._open:
            raise BadSource(f"The type {name} contains itself; JSON schemas of tools cannot say that.")
        self._open.append(name)
        try:
            return self._read_class(self, node) if isinstance(node, ast.ClassDef) else self.read(node)
        finally:
            self._open.pop()

    def _generic(self, name: str, arguments: Sequence[ast.expr]) -> JsonObject:
        if name == "Optional":
            return self._union([*arguments, ast.Constant(None)])
        if name == "Union":
            return self._union(arguments)
        if name == "Literal":
            return values_schema([_literal(argument) for argument in arguments])
        if name == "Annotated":
            return {**self.read(arguments[0]), **_annotated(arguments[1:])}
        if name in _WRAPPERS:
            return self.read(arguments[0])
        if name in ("tuple", "Tuple"):
            return self._tuple(arguments)
        if name in _ARRAYS:
            return {"type": "array", "items": self.read(arguments[0])}
        if name in _MAPPINGS:
            return {"type": "object", "additionalProperties": self.read(arguments[-1])}
        raise BadSource(f"The type {name}[…] has no JSON form.")

    def _union(self, members: Sequence[ast.expr]) -> JsonObject:
        schemas: list[JsonObject] = []
        for member in members:
            schema = self.read(member)
            schemas += [one for one in schema.get("anyOf", [schema]) if one not in schemas]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _tuple(self, arguments: Sequence[ast.expr]) -> JsonObject:
        if len(arguments) == 2 and isinstance(arguments[1], ast.Constant) and arguments[1].value is ...:
            return {"type": "array", "items": self.read(arguments[0])}
        length = len(arguments)
        return {"type": "array", "items": self._union(arguments), "minItems": length, "maxItems": length}


def without_null(schema: JsonObject) -> JsonObject:
    """The schema of a value that may be left out, where leaving it out stands for None."""
    if "anyOf" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    members = [member for member in schema["anyOf"] if member != _NULL]
    return {**members[0], **rest} if len(members) == 1 else {"anyOf": members, **rest}


def allows_null(schema: JsonObject) -> bool:
    """Whether None is among the values."""
    return schema == _NULL or _NULL in schema.get("anyOf", [])


def values_schema(values: Sequence[Any]) -> JsonObject:  # Any: constants of the source
    """The schema of one of some constants."""
    kinds = {_JSON_TYPES.get(type(value), "") for value in values}
    kind = kinds.pop() if len(kinds) == 1 else ""
    return {"type": kind, "enum": list(values)} if kind else {"enum": list(values)}


def last_name(node: ast.expr) -> str:
    """`Optional` for `Optional`, `typing.Optional` and `t.Optional`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    raise _unknown(node)


def _alternatives(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [*_alternatives(node.left), *_alternatives(node.right)]
    return [node]


def _annotated(notes: Sequence[ast.expr]) -> JsonObject:
    """What Annotated adds: a text, or the description in `Field(description=…)`."""
    for note in notes:
        match note:
            case ast.Constant(value=str(text)):
                return {"description": text}
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == "description":
                        return {"description": _literal(keyword.value)}
    return {}


def _literal(node: ast.expr) -> Any:  # Any: a constant of the source
    try:
        return ast.literal_eval(node)
    except (TypeError, ValueError) as exc:
        raise BadSource(f"{ast.unparse(node)} is not a constant.") from exc


def _expression(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as exc:
        raise BadSource(f"The annotation {text!r} is not a type.") from exc


def _unknown(node: ast.expr) -> BadSource:
    return BadSource(f"{ast.unparse(node)} is not a type that has a JSON form.")
