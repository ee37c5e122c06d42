"""Tools that a model writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson
from pydantic import BaseModel, Field, ValidationError

from perdure.conversation.v1.message_pb2 import ROLE_SYSTEM, ROLE_USER, Message, Part
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.errors import InvalidArgument, Unavailable
from services.common.validation import tell_problems
from services.contract.generation import GeneratedTool, GenerateTool
from services.contract.json_object import JsonObject
from services.contract.tools import CreateTool, Requirement
from services.tools.definition import UnusableTool, make_tool
from services.tools.owner import Owner
from services.tools.schemas.source import BadSource

ATTEMPTS = 3  # times that a model may write it before it is given up
WRITE = "write_tool"  # what the model calls to hand a tool in
_INSTRUCTIONS = f"""\
You write a tool for an AI agent: one Python function, which the agent calls with JSON arguments.

- The function is the last one of the source. Every parameter has a type annotation, from the standard library or
  pydantic. Imports stand inside of the function.
- Its docstring says what it does, then under "Args:" what each parameter is, one per line, as in "city: Where to look."
- It returns what the agent needs to read, as text or as what JSON can hold. What goes wrong it raises.
- Keys and passwords come from environment variables.

Hand it in by calling {WRITE}.
"""


class NoModel(InvalidArgument):
    """The request names no model."""

    reason = "NO_MODEL"


class NotWritten(Unavailable):
    """The model wrote nothing that can be used."""

    reason = "TOOL_NOT_WRITTEN"

    def __init__(self, handle: str, problem: str) -> None:
        super().__init__(f"{handle} wrote no usable tool in {ATTEMPTS} attempts: {problem}", should_retry=False)


class Written(BaseModel):
    """What a model hands in."""

    source_code: str = Field(description="The whole Python source of the tool.")
    sample_args: JsonObject = Field(description="Arguments with which to try it, as an object.")
    explanation: str = Field(description="What it does and what it needs, in a sentence or two, for the user.")
    pip_requirements: list[str] = Field(default=[], description="Names of the packages from PyPI that it imports.")


_TOOL = ToolDefinition(
    name=WRITE,
    description="Hands in the tool that you wrote.",
    parameters=orjson.dumps(Written.model_json_schema()).decode(),
)


@dataclass(frozen=True)
class Question:
    """What a model is asked; it has to call the tool."""

    organization_id: str
    handle: str
    messages: Sequence[Message]
    tool: ToolDefinition


class Models(Protocol):
    """Models that write."""

    async def call(self, question: Question) -> str:
        """The arguments with which the model calls the tool; empty where it does not. Raises `PerdureError`."""


class Generation:
    """Has models write tools. Nothing is stored."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def generate(self, owner: Owner, body: GenerateTool) -> GeneratedTool:
        """A tool that can be created as it is. Raises `NoModel`, `NotWritten`, and what the provider fails with."""
        if not body.handle:
            raise NoModel("Name the model that is to write the tool, such as openai/gpt-4o, as handle.")
        problems = list(body.validation_errors)
        for _ in range(ATTEMPTS):
            arguments = await self._models.call(_question(owner, body.handle, body, problems))
            try:
                return _read(owner, body.tool_name, arguments)
            except (BadSource, UnusableTool) as exc:
                problems = [str(exc)]
            except ValidationError as exc:
                problems = tell_problems(exc)
        raise NotWritten(body.handle, "; ".join(problems))


def _question(owner: Owner, handle: str, body: GenerateTool, problems: Sequence[str]) -> Question:
    parts = [f"Write the tool {body.tool_name}. {body.prompt}"]
    if body.starter_code:
        parts.append(f"Begin with this:\n\n{body.starter_code}")
    if problems:
        parts.append("What was written before had these problems:\n" + "\n".join(f"- {one}" for one in problems))
    messages = [
        Message(role=ROLE_SYSTEM, parts=[Part(text=_INSTRUCTIONS)]),
        Message(role=ROLE_USER, parts=[Part(text="\n\n".join(parts))]),
    ]
    return Question(owner.organization_id, handle, messages, _TOOL)


def _read(owner: Owner, name: str, arguments: str) -> GeneratedTool:
    """The tool in what a model handed in. Raises `ValidationError`, `BadSource`, `UnusableTool`."""
    written = Written.model_validate_json(arguments or "{}")
    packages = [Requirement(name=package) for package in written.pip_requirements]
    tool = make_tool(owner, CreateTool(source_code=written.source_code, pip_requirements=packages or None))
    if tool.name != name:
        raise UnusableTool(f"The function has to be called {name}, not {tool.name}.")
    return GeneratedTool(tool=tool, sample_args=written.sample_args, response=written.explanation)
