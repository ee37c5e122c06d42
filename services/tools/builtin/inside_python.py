"""What runs a program of an agent inside the sandbox: its source is sent there, as that of any tool is."""

import ast
import linecache
from typing import Any

FILE = "<code>"  # what the program is called in tracebacks
__traced__ = FILE  # where these begin: see `print_traceback`


def _evaluate(code: str) -> str:
    linecache.cache[FILE] = (len(code), None, code.splitlines(keepends=True), FILE)
    tree = ast.parse(code, FILE)
    last = tree.body[-1] if tree.body else None
    names: dict[str, Any] = {"__name__": "__main__"}
    if not isinstance(last, ast.Expr):
        exec(compile(tree, FILE, "exec"), names)  # noqa: S102  # what the tool is for
        return ""
    exec(compile(ast.Module(tree.body[:-1], tree.type_ignores), FILE, "exec"), names)  # noqa: S102  # as above
    value = eval(compile(ast.Expression(last.value), FILE, "eval"), names)  # noqa: S307  # as above
    return "" if value is None else repr(value)


def run_code(code: str) -> str:
    """Runs the program; the value of its last line as Python prints it, or nothing."""
    try:
        return _evaluate(code)
    except SystemExit as end:
        if end.code:
            raise
        return ""  # it has ended itself, and well
