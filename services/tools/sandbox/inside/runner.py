"""Runs a tool's code: the part of the sandbox that is in one process with it."""

import __future__

import ast
import asyncio
import base64
import dataclasses
import enum
import hashlib
import inspect
import json
import linecache
import os
import pickle
import struct
import sys
import textwrap
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from services.tools.sandbox.inside.agent_state import changed_blocks, read_state
from services.tools.sandbox.inside.pieces import collect, collect_async
from services.tools.sandbox.inside.record import Record

MODULE = "tool"  # what the tool's code is called in sys.modules
FILE = f"<{MODULE}>"  # and in tracebacks
# What tools may use without importing it, as on the original: clients send a function without what its file imports.
GIVEN = {
    **{name: getattr(typing, name) for name in typing.__all__},
    **{module.__name__: module for module in (asyncio, base64, hashlib, pickle, struct, sys)},
    "AgentState": Record,
}
TRUE = frozenset(("true", "yes", "1"))
FALSE = frozenset(("false", "no", "0"))

IMAGE = "image"
PARTS = ("text", IMAGE)  # types of content

Answer = dict[str, Any]  # Any, here and below: JSON, and whatever values the tool's code has


def run(job: dict[str, Any]) -> Answer:
    """Calls the tool; its error goes to stderr as a traceback and into the answer as a line."""
    limit = job["return_char_limit"]
    try:
        os.environ.update(job["environment"])
        tree = ast.parse(textwrap.dedent(job["source"]))
        function = load(job, tree)[job["function"] or last_function(tree)]
        arguments = arguments_for(function, job)
        result = with_fields(call(function, arguments))
        parts = content_parts(result)
        text = encodable("\n".join(part["text"] for part in parts if "text" in part) if parts else as_text(result))
        json_text = as_json(result, limit)
        memory = changed_blocks(job["agent_state"], arguments.get("agent_state"))
    except BaseException as exc:  # noqa: BLE001  # whatever the tool's code raises, SystemExit included, is its answer
        print_traceback(exc)
        return {"error": encodable(describe(exc))[:limit]}
    finally:
        flush_output()
    return {"value": text[:limit], "length": len(text), "json": json_text, "memory": memory, "parts": parts}


def last_function(tree: ast.Module) -> str:
    """The tool's name in its source."""
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)][-1]


def load(job: dict[str, Any], tree: ast.Module) -> dict[str, Any]:
    """Executes the tool's module and returns its names."""
    module = sys.modules[MODULE] = types.ModuleType(MODULE)
    vars(module).update(GIVEN)
    lines = textwrap.dedent(job["source"]).splitlines(keepends=True)
    linecache.cache[FILE] = (len(job["source"]), None, lines, FILE)
    flags = __future__.annotations.compiler_flag if job["has_foreign_types"] else 0
    exec(compile(tree, FILE, "exec", flags, dont_inherit=True), vars(module))  # noqa: S102  # what a sandbox is for
    return vars(module)


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Calls the function, and waits for it when it is asynchronous or gives its result in pieces."""
    result = function(**arguments)
    if inspect.isgenerator(result):
        return collect(result)
    if inspect.isasyncgen(result):
        return asyncio.run(collect_async(result))
    if not inspect.isawaitable(result):
        return result

    async def wait() -> Any:
        return await result

    return asyncio.run(wait())


def arguments_for(function: Callable[..., Any], job: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the annotations want them, and what the server supplies."""
    arguments = dict(job["arguments"])
    wanted = read_annotations(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "agent_state" and (job["agent_state"] or name not in arguments):
            arguments[name] = read_state(job["agent_state"])  # whatever a model says of it
        elif name in arguments:
            arguments[name] = convert(arguments[name], wanted.get(name, Any))
        elif parameter.default is parameter.empty and (name == "self" or allows_none(wanted.get(name))):
            arguments[name] = None
    return arguments


def read_annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of the parameters; `Record` for one that the source does not define, or that is none."""
    wanted = {}
    for name, note in inspect.get_annotations(inspect.unwrap(function)).items():
        holder = types.SimpleNamespace(__annotations__={name: note})
        try:
            wanted[name] = typing.get_type_hints(holder, vars(sys.modules[MODULE]))[name]
        except (NameError, AttributeError, SyntaxError, TypeError):
            wanted[name] = Record
    return wanted


def is_union(wanted: Any) -> bool:
    """Whether a type is `A | B`, `Union[A, B]` or `Optional[A]`."""
    return typing.get_origin(wanted) in (typing.Union, types.UnionType)


def allows_none(wanted: Any) -> bool:
    """Whether None is a value of the type."""
    return is_union(wanted) and type(None) in typing.get_args(wanted)


def convert(value: Any, wanted: Any) -> Any:
    """A JSON value as a type wants it; None and what needs no conversion stay as they are."""
    if value is None or wanted is Any:
        return value
    if wanted is Record:
        return json.loads(json.dumps(value), object_hook=Record)
    if is_union(wanted):
        return convert_to_member(value, typing.get_args(wanted))
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(value, str) and takes_items(origin or wanted):
        value = read_items(value)
    if origin is not None:
        return convert_container(value, origin, arguments)
    return convert_to_class(value, wanted) if isinstance(wanted, type) else value


def takes_items(wanted: Any) -> bool:
    """Whether a type is one that JSON has a list or an object for."""
    if not isinstance(wanted, type) or issubclass(wanted, str | bytes):
        return False
    return dataclasses.is_dataclass(wanted) or hasattr(wanted, "model_validate") or issubclass(wanted, Iterable)


def read_items(text: str) -> Any:
    """The list or object that a model wrote as a text of JSON, else the text."""
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        return value if isinstance(value, list | dict) else text
    return text


def convert_to_member(value: Any, members: tuple[Any, ...]) -> Any:
    """A value as the first type of a union that is exactly its own, else as the first that takes it."""
    problem: Exception | None = None
    for member in (*[one for one in members if one is type(value)], *members):
        if member is type(None):
            continue
        try:
            return convert(value, member)
        except (ValueError, TypeError) as exc:
            problem = problem or exc
    raise problem or ValueError(f"{value!r} is none of the types it may have")


def convert_container(value: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    """A list or object with each item converted."""
    if isinstance(value, Mapping) and len(arguments) == 2:
        return {convert(key, arguments[0]): convert(item, arguments[1]) for key, item in value.items()}
    if not isinstance(value, list) or not isinstance(origin, type):
        return value
    if origin is tuple and arguments[-1:] != (...,):
        return tuple(convert(item, wanted) for item, wanted in zip(value, arguments, strict=True))
    items = [convert(item, arguments[0]) for item in value]
    return origin(items) if origin in (set, frozenset, tuple) else items


def convert_to_class(value: Any, wanted: type[Any]) -> Any:
    """A value as a class makes it."""
    if wanted in (bool, int, float, str):
        return convert_plain(value, wanted)
    if typing.is_typeddict(wanted) or (dataclasses.is_dataclass(wanted) and isinstance(value, Mapping)):
        types_of = typing.get_type_hints(wanted)
        fields = {key: convert(item, types_of.get(key, Any)) for key, item in value.items()}
        return wanted(**fields)
    if hasattr(wanted, "model_validate"):  # a pydantic model
        return wanted.model_validate(value)
    if hasattr(wanted, "fromisoformat") and isinstance(value, str):  # dates and times
        return wanted.fromisoformat(value)
    if issubclass(wanted, enum.Enum) or (isinstance(value, list) and wanted in (set, frozenset, tuple)):
        return wanted(value)
    if wanted.__module__ in ("uuid", "decimal", "pathlib"):
        return wanted(str(value))
    return value


def convert_plain(value: Any, wanted: type[Any]) -> Any:
    """A value as a bool, number or text, for models that write "3" for 3."""
    if isinstance(value, wanted) or (wanted is int and isinstance(value, float)):
        return int(value) if wanted is int and value == int(value) and not isinstance(value, bool) else value
    if wanted is bool and str(value).lower() in TRUE | FALSE:
        return str(value).lower() in TRUE
    if wanted is bool:
        raise ValueError(f"{value!r} is neither true nor false")
    if wanted is str and isinstance(value, list | dict):
        return json.dumps(value)
    return wanted(value)


def with_fields(result: Any) -> Any:
    """The result, or each item of a list, as `as_fields` gives it."""
    return [as_fields(item) for item in result] if type(result) is list else as_fields(result)


def as_fields(value: Any) -> Any:
    """A model of pydantic or a dataclass as a dict of its fields; all else, and what cannot tell them, as it is."""
    try:
        if hasattr(value, "model_dump"):
            return value.model_dump()
        return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    except Exception:  # noqa: BLE001  # whatever the code of the tool's classes raises
        return value


def content_parts(result: Any) -> list[dict[str, Any]]:
    """The result as parts of content, if there are images in it: one such part, or a list of parts.

    Raises TypeError where they have no form in JSON.
    """
    parts = result if isinstance(result, list) else [result]
    is_content = all(isinstance(part, dict) and part.get("type") in PARTS for part in parts)
    if not is_content or all(part["type"] != IMAGE for part in parts):
        return []
    json.dumps(parts)
    return parts


def as_text(result: Any) -> str:
    """What the model is told: text as it is, objects as JSON if they can be, all else as Python prints it."""
    if isinstance(result, dict):
        with suppress(TypeError, ValueError):
            return json.dumps(result, ensure_ascii=False, default=spell)
    return str(result)


def spell(value: Any) -> Any:
    """What stands in JSON for a value that has no form there."""
    fields = as_fields(value)
    return str(value) if fields is value else fields


def as_json(result: Any, limit: int) -> str:
    """The result as JSON; empty where it has no such form or is over the limit in characters."""
    try:
        text = json.dumps(result, allow_nan=False, default=as_fields)
    except Exception:  # noqa: BLE001  # whatever the code of the tool's classes raises
        return ""
    return text if len(text) <= limit else ""


def encodable(text: str) -> str:
    """Text without lone surrogates, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


def describe(exc: BaseException) -> str:
    """The kind of error and what it says, unless its own code cannot say it."""
    try:
        return f"{type(exc).__name__}: {exc}"
    except Exception:  # noqa: BLE001  # whatever the tool's code raises there
        return f"{type(exc).__name__}: (it cannot be printed)"


def flush_output() -> None:
    """Writes out what was printed; the tool's code may have closed its streams, or put others in their place."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()


def print_traceback(exc: BaseException) -> None:
    """Prints the part of the traceback that is in the tool's own code, or in the file that it names in `__traced__`."""
    file = getattr(sys.modules.get(MODULE), "__traced__", FILE)
    frames = exc.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != file:
        frames = frames.tb_next
    with suppress(AttributeError, ValueError, OSError):  # as above
        traceback.print_exception(type(exc), exc, frames)
