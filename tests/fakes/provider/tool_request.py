"""The tool calls that a user's message asks for."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.fakes.provider.prompt import Body, Prompt, Tool
from tests.fakes.provider.schema_value import make_value, type_name

_EXPLICIT = re.compile(r"call(?:ing)?\s+(?:the\s+)?tool\s+([\w-]+)\s+with\s+(?=\{)", re.IGNORECASE)
_REPEATED = re.compile(r"keep\s+calling", re.IGNORECASE)
_NAMED = r"\b(?:call|use|run|invoke)\s+(?:the\s+)?[`'\"]?{name}\b[`'\"]?"
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"")
_VALUE = r"\b{name}\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s,;]+)"


@dataclass(frozen=True)
class Call:
    """A call the model makes, its arguments as the text of a JSON object."""

    name: str
    arguments: str


def requested_calls(prompt: Prompt, text: str) -> tuple[Call, ...]:
    """The calls to make now: those of the step the turn has come to, none when all are made.

    Explicit requests (`call tool NAME with {json}`, joined by "then") are taken literally, also for tools not offered;
    others (`call the NAME tool with …`) only for offered tools, with arguments read out of the text.
    """
    steps = _explicit_steps(text) or _described_steps(prompt, text)
    if not prompt.parallel:
        steps = [[call] for step in steps for call in step]
    if _REPEATED.search(text) and steps:
        return tuple(steps[prompt.step % len(steps)])
    return tuple(steps[prompt.step]) if prompt.step < len(steps) else ()


def _explicit_steps(text: str) -> list[list[Call]]:
    steps: list[list[Call]] = []
    end = 0
    for match in _EXPLICIT.finditer(text):
        try:
            arguments, length = json.JSONDecoder().raw_decode(text[match.end() :])
        except ValueError:
            continue
        between, end = text[end : match.start()], match.end() + length
        if not steps or re.search(r"\bthen\b", between):
            steps.append([])
        steps[-1].append(Call(match.group(1), json.dumps(arguments, ensure_ascii=False)))
    return steps


def _described_steps(prompt: Prompt, text: str) -> list[list[Call]]:
    for tool in prompt.tools:
        match = re.search(_NAMED.format(name=re.escape(tool.name)), text, re.IGNORECASE)
        if match:
            return [
                [Call(tool.name, json.dumps(arguments)) for arguments in _read_arguments(tool, text[match.end() :])]
            ]
    return []


def _read_arguments(tool: Tool, text: str) -> list[Body]:
    properties: Body = tool.parameters.get("properties", {})
    given = {name: _given_values(name, schema, text) for name, schema in properties.items()}
    named = {name: values for name, values in given.items() if values}
    if not named:
        return [_fill(tool, _loose_values(properties, text))]
    count = max(len(values) for values in named.values())
    return [
        _fill(tool, {name: values[min(i, len(values) - 1)] for name, values in named.items()}) for i in range(count)
    ]


def _given_values(name: str, schema: Body, text: str) -> list[Any]:
    found = re.findall(_VALUE.format(name=re.escape(name)), text)
    return [_convert(schema, value.rstrip(".").strip("'\"")) for value in found]


def _loose_values(properties: Body, text: str) -> Body:
    numbers = _NUMBER.findall(text)
    quoted = [single or double for single, double in _QUOTED.findall(text)]
    values: Body = {}
    for name, schema in properties.items():
        source = numbers if type_name(schema) in ("integer", "number") else quoted
        if source and type_name(schema) in ("integer", "number", "string"):
            values[name] = _convert(schema, source.pop(0))
    return values


def _convert(schema: Body, value: str) -> Any:  # Any: a value of JSON
    if type_name(schema) == "string":
        return value
    try:
        return json.loads(value.lower() if value in ("True", "False") else value)
    except ValueError:
        return value


def _fill(tool: Tool, values: Body) -> Body:
    properties: Body = tool.parameters.get("properties", {})
    missing = [name for name in tool.parameters.get("required", []) if name not in values and name in properties]
    return values | {name: make_value(properties[name], "something", tool.parameters) for name in missing}
