"""Running tools."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import orjson

from services.common.errors import InvalidArgument
from services.contract.json_object import JsonObject
from services.contract.tools import Requirement, RunTool
from services.tools.base_tools import SEND_MESSAGE
from services.tools.image import Image
from services.tools.mcp.server import Result
from services.tools.registry import PYTHON, check_language
from services.tools.sandbox.job import Event, Failed, Job, Printed, Returned
from services.tools.schemas.source import BadSource, read_source
from services.tools.stored_tool import StoredTool


class RunsElsewhere(InvalidArgument):
    """Another service runs the tool."""

    reason = "TOOL_RUNS_ELSEWHERE"


class Sandbox(Protocol):
    """Where calls run."""

    def run(self, job: Job) -> AsyncGenerator[Event, None]:
        """What the job prints, and last how it ended."""


class Remote(Protocol):
    """Where calls of tools run that belong to MCP servers."""

    async def call(self, stored: StoredTool, arguments: JsonObject, variables: Mapping[str, str]) -> Result:
        """How the call of an agent with these variables ended; that its server failed, too, is a result."""


@dataclass(frozen=True)
class Call:
    """A call by a model: `arguments` are as it wrote them, possibly broken."""

    arguments: str
    environment: Mapping[str, str] = field(default_factory=dict)
    agent_state: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a call ended, and what it printed: one text per stream, or none."""

    value: str
    is_error: bool = False
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    images: Sequence[Image] = ()
    ended_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Execution:
    """Runs stored tools and source that is not stored. A tool's own failure is an outcome, not an error."""

    def __init__(self, sandbox: Sandbox, remote: Remote) -> None:
        self._sandbox = sandbox
        self._remote = remote

    async def call(self, stored: StoredTool, call: Call) -> AsyncGenerator[Printed | Outcome, None]:
        """What the tool prints while it runs, and last its outcome. Leaving the loop ends the tool."""
        if stored.is_base:
            yield _base_outcome(stored)
            return
        try:
            if stored.is_mcp:
                yield await self._call_remote(stored, call)
                return
            job = _job(stored, call)
        except ValueError as exc:
            yield Outcome(_failure(stored.name, f"ValueError: {exc}"), is_error=True)
            return
        async with aclosing(self._run(stored.name, job)) as events:
            async for event in events:
                yield event

    async def _call_remote(self, stored: StoredTool, call: Call) -> Outcome:
        result = await self._remote.call(stored, _arguments(call.arguments), call.environment)
        value = _cut(result.text[: stored.tool.return_char_limit], len(result.text))
        value = _failure(stored.name, value) if result.is_error else value
        return Outcome(value, result.is_error, images=result.images)

    async def run_source(self, body: RunTool) -> Outcome:
        """Runs source that is not stored. Raises `BadSource`, `UnusableTool`."""
        check_language(body.source_type or PYTHON)
        name = await asyncio.to_thread(_function, body)
        if problem := _missing_packages(body.pip_requirements, body.npm_requirements):
            return Outcome(_failure(name, f"ImportError: {problem}"), is_error=True)
        job = Job(
            source=body.source_code,
            arguments=body.args,
            function=name,
            environment=body.env_vars,
            has_foreign_types=bool(body.args_json_schema),
        )
        async with aclosing(self._run(name, job)) as events:
            return [event async for event in events if isinstance(event, Outcome)][-1]

    async def _run(self, name: str, job: Job) -> AsyncGenerator[Printed | Outcome, None]:
        printed: dict[str, list[str]] = {"stdout": [], "stderr": []}
        async with aclosing(self._sandbox.run(job)) as events:
            async for event in events:
                if isinstance(event, Printed):
                    printed[event.stream].append(event.text)
                    yield event
                else:
                    yield _outcome(name, event, stdout="".join(printed["stdout"]), stderr="".join(printed["stderr"]))


def _outcome(name: str, ended: Returned | Failed, *, stdout: str, stderr: str) -> Outcome:
    is_error = isinstance(ended, Failed)
    value = _failure(name, ended.error) if isinstance(ended, Failed) else _cut(ended.value, ended.length)
    return Outcome(value, is_error, [stdout] if stdout else [], [stderr] if stderr else [])


def _base_outcome(stored: StoredTool) -> Outcome:
    if stored.name != SEND_MESSAGE:
        raise RunsElsewhere(f"{stored.name} works on an agent's memory and runs only within a turn of that agent.")
    return Outcome("The message was sent.")


def _job(stored: StoredTool, call: Call) -> Job:
    """Raises ValueError, which says what the caller can do."""
    tool = stored.tool
    if problem := _missing_packages(tool.pip_requirements, tool.npm_requirements):
        raise ValueError(problem)
    return Job(
        source=tool.source_code or "",
        arguments=_arguments(call.arguments),
        environment=call.environment,
        agent_state=call.agent_state,
        has_foreign_types=bool(tool.args_json_schema),
        return_char_limit=tool.return_char_limit,
    )


def _arguments(text: str) -> JsonObject:
    try:
        arguments = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"the arguments are not valid JSON: {exc}") from exc
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are not a JSON object")  # noqa: TRY004  # the model's mistake, not ours
    return arguments


def _missing_packages(*requirements: Sequence[Requirement] | None) -> str:
    names = [one.name for packages in requirements for one in packages or ()]
    return f"this server does not install packages, and the tool needs {', '.join(names)}" if names else ""


def _function(body: RunTool) -> str:
    source = read_source(body.source_code)
    if body.name and body.name not in source.functions:
        raise BadSource(f"The source code defines no function {body.name!r}.")
    return body.name or source.tool.name


def _failure(name: str, error: str) -> str:
    return f"Error executing function {name}: {error}"


def _cut(value: str, length: int) -> str:
    """The value, with a note where it is not all of it; the sandbox cut it."""
    if length <= len(value):
        return value
    return f"{value}… [function output was truncated: these are the first {len(value)} of {length} characters]"
