"""Running tools."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from services.common.errors import PerdureError
from services.contract.json_object import JsonObject
from services.contract.tools import RunTool
from services.tools.agent_state import Agents, memory_changes
from services.tools.definition import PYTHON, read_language
from services.tools.image import content_as_json, read_images
from services.tools.jobs import job_of, job_of_source, read_arguments
from services.tools.mcp.server import Result
from services.tools.outcome import Outcome, cut, failure
from services.tools.sandbox.job import Event, Failed, Job, Printed, Returned
from services.tools.sandbox_configs.configs import Setup
from services.tools.schemas.function import takes_agent_state
from services.tools.schemas.source import BadSource, read_source
from services.tools.stored_tool import StoredTool

UNNAMED = "tool"  # what a function is called that nobody named, in the text of its failures


class Sandbox(Protocol):
    """Where calls run."""

    def run(self, job: Job) -> AsyncGenerator[Event, None]:
        """What the job prints, and last how it ended."""


class Setups(Protocol):
    """What organisations set up for their tools."""

    async def setup(self, organization_id: str) -> Setup:
        """What every call of its tools gets."""


class Remote(Protocol):
    """Where calls of tools run that belong to MCP servers."""

    async def call(self, stored: StoredTool, arguments: JsonObject, variables: Mapping[str, str]) -> Result:
        """How a call with these variables ended; that its server failed, too, is a result."""


class Builtins(Protocol):
    """Where calls of tools run that come with the server."""

    def call(
        self, stored: StoredTool, arguments: str, variables: Mapping[str, str]
    ) -> AsyncGenerator[Printed | Outcome, None]:
        """What the tool prints, and last its outcome, with these variables. Raises `RunsElsewhere`."""


@dataclass(frozen=True)
class Call:
    """A call by a model: `arguments` are as it wrote them, possibly broken; `environment` holds the agent's variables.

    `agent_id`: who calls, may be empty. `agent_state`: what a tool is to see of the agent, if not what is stored.
    """

    arguments: str
    environment: Mapping[str, str] = field(default_factory=dict)
    agent_id: str = ""
    agent_state: str = ""


class Execution:
    """Runs stored tools and source that is not stored. A tool's own failure is an outcome, not an error."""

    def __init__(self, sandbox: Sandbox, remote: Remote, builtins: Builtins, setups: Setups, agents: Agents) -> None:
        self._sandbox = sandbox
        self._builtins = builtins
        self._remote = remote
        self._setups = setups
        self._agents = agents

    async def call(self, stored: StoredTool, call: Call) -> AsyncGenerator[Printed | Outcome, None]:
        """What the tool prints while it runs, and last its outcome. Leaving the loop ends the tool.

        Raises `RunsElsewhere`.
        """
        try:
            begun = await self._begin(stored, call)
        except ValueError as exc:
            yield Outcome(failure(stored.name, f"{type(exc).__name__}: {exc}"), is_error=True)
            return
        except PerdureError as exc:
            yield Outcome(failure(stored.name, f"NotStarted: {exc}"), is_error=True)
            return
        async with aclosing(begun) as events:
            async for event in events:
                yield event

    async def run_source(self, organization_id: str, body: RunTool) -> Outcome:
        """Runs source that is not stored. Raises `BadSource`, `UnusableTool`."""
        name = await asyncio.to_thread(_function, body)
        setup = await self._setups.setup(organization_id)
        try:
            job = job_of_source(body, name, setup)
        except ValueError as exc:
            return Outcome(failure(name or UNNAMED, f"{type(exc).__name__}: {exc}"), is_error=True)
        async with aclosing(self._run(name or UNNAMED, job)) as events:
            return [event async for event in events if isinstance(event, Outcome)][-1]

    async def _begin(self, stored: StoredTool, call: Call) -> AsyncGenerator[Printed | Outcome, None]:
        """Raises ValueError, which says what the caller can do, and `PerdureError`."""
        setup = await self._setups.setup(stored.organization_id)
        variables = {**setup.environment, **call.environment}
        if stored.is_base:
            return self._builtins.call(stored, call.arguments, variables)
        arguments = read_arguments(call.arguments)
        if stored.is_mcp:
            return self._call_remote(stored, arguments, variables)
        state = call.agent_state or await self._read_state(stored, call.agent_id)
        job = replace(job_of(stored.tool, setup, arguments), environment=variables, agent_state=state)
        return self._call_custom(stored, call, job)

    async def _call_remote(
        self, stored: StoredTool, arguments: JsonObject, variables: Mapping[str, str]
    ) -> AsyncGenerator[Printed | Outcome, None]:
        result = await self._remote.call(stored, arguments, variables)
        value = cut(result.text[: stored.tool.return_char_limit], len(result.text))
        value = failure(stored.name, value) if result.is_error else value
        json = content_as_json(value, result.images)
        yield Outcome(value, result.is_error, images=result.images, json=json)

    async def _call_custom(self, stored: StoredTool, call: Call, job: Job) -> AsyncGenerator[Printed | Outcome, None]:
        async with aclosing(self._run(stored.name, job)) as events:
            async for event in events:
                if isinstance(event, Outcome) and event.memory and call.agent_id:
                    event = await self._remember(stored, call, job, event)
                yield event

    async def _read_state(self, stored: StoredTool, agent_id: str) -> str:
        if not agent_id or not takes_agent_state(stored.tool.source_code or ""):
            return ""
        return await self._agents.read_state(stored.organization_id, agent_id)

    async def _remember(self, stored: StoredTool, call: Call, job: Job, outcome: Outcome) -> Outcome:
        """Writes to the agent's memory what the tool wrote to its state of it."""
        changes = memory_changes(job.agent_state, outcome.memory)
        if not changes:
            return outcome
        try:
            await self._agents.change_memory(stored.organization_id, call.agent_id, changes)
        except PerdureError as exc:
            return replace(outcome, value=failure(stored.name, f"MemoryNotChanged: {exc}"), is_error=True)
        return outcome

    async def _run(self, name: str, job: Job) -> AsyncGenerator[Printed | Outcome, None]:
        printed: dict[str, list[str]] = {"stdout": [], "stderr": []}
        async with aclosing(self._sandbox.run(job)) as events:
            async for event in events:
                if isinstance(event, Printed):
                    printed[event.stream].append(event.text)
                    yield event
                else:
                    stdout, stderr = (["".join(pieces)] if pieces else [] for pieces in printed.values())
                    yield replace(_outcome(name, event), stdout=stdout, stderr=stderr)


def _outcome(name: str, ended: Returned | Failed) -> Outcome:
    if isinstance(ended, Failed):
        return Outcome(failure(name, ended.error), is_error=True)
    try:
        images = read_images(ended.parts)
    except ValueError as exc:
        return Outcome(failure(name, f"BadResult: {exc}"), is_error=True)
    return Outcome(cut(ended.value, ended.length), images=images, json=ended.json, memory=ended.memory)


def _function(body: RunTool) -> str:
    """The name of the function to call; empty for the last one of source that is not Python, which is not read."""
    if read_language(body.source_type) != PYTHON:
        return body.name or ""
    source = read_source(body.source_code)
    if body.name and body.name not in source.functions:
        raise BadSource(f"The source code defines no function {body.name!r}.")
    return body.name or source.tool.name
