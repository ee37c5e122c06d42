"""Python source of tools as a syntax tree: read here, never executed."""

import ast
import textwrap
from dataclasses import dataclass, field

from services.common.errors import InvalidArgument

MAX_SOURCE_CHARS = 1_000_000  # characters; far more than a tool, and read in well under a second
MAX_PARTS = 5_000  # types within the types of a tool's arguments; one that is used twice counts twice

Function = ast.FunctionDef | ast.AsyncFunctionDef


class BadSource(InvalidArgument):
    """The source of a tool, or the schema that comes with it, cannot be used."""

    reason = "BAD_SOURCE"


@dataclass(frozen=True)
class Source:
    """What stands at the top level of a tool's source, by name; the last function is the tool."""

    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    aliases: dict[str, ast.expr] = field(default_factory=dict)

    @property
    def tool(self) -> Function:
        """The function that is the tool."""
        return next(reversed(self.functions.values()))


def check_parts(count: int) -> None:
    """Raises `BadSource` for more than `MAX_PARTS`: types that use others several times can grow without end."""
    if count > MAX_PARTS:
        raise BadSource(f"The arguments hold more than {MAX_PARTS} types within their types.")


def read_source(code: str) -> Source:
    """Raises `BadSource`, which says where, when the code is not Python or has no function."""
    if len(code) > MAX_SOURCE_CHARS:
        raise BadSource(f"The source code has {len(code)} characters; at most {MAX_SOURCE_CHARS} are allowed.")
    source = Source()
    for node in _parse(code).body:
        _add(source, node)
    if not source.functions:
        raise BadSource("The source code defines no function; the tool is its last function.")
    if by_position := source.tool.args.posonlyargs:
        raise BadSource(
            f"The parameter {by_position[0].arg!r} of {source.tool.name} can be given only by its position, "
            "but tools are called with names: remove the / from the parameters."
        )
    return source


def _parse(code: str) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(code))
    except SyntaxError as exc:
        where = f" (line {exc.lineno}, column {exc.offset})" if exc.lineno else ""
        raise BadSource(f"The source code is not valid Python: {exc.msg}{where}.") from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise BadSource(f"The source code cannot be read: {exc or 'it is nested too deeply'}.") from exc


def _add(source: Source, node: ast.stmt) -> None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            source.functions.pop(node.name, None)  # a function defined again moves to the end
            source.functions[node.name] = node
        case ast.ClassDef():
            source.classes[node.name] = node
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
        ):
            source.aliases[name] = value
        case ast.ImportFrom(names=names):
            source.aliases.update({name.asname: ast.Name(name.name) for name in names if name.asname})
