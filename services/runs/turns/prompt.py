"""What the model is asked in a turn: the window with what holds for this request only."""

from collections.abc import Mapping, Sequence
from typing import Any

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message, Part
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from services.common.calls import tool_calls
from services.runs.records import Run, RunRequest, Skill
from services.runs.turns.arguments import read_schema, with_schema
from services.runs.turns.heartbeats import with_heartbeat
from services.runs.turns.history import TurnAgent
from services.runs.turns.model import Prompt, ToolChoice
from services.runs.turns.progress import Progress
from services.runs.turns.thoughts import with_thinking, with_thoughts_in_calls


def build_prompt(run: Run, request: RunRequest, progress: Progress) -> Prompt:
    """The prompt of the next step."""
    agent = progress.agent
    return Prompt(
        organization_id=run.organization_id,
        model=request.override_model or agent.model,
        messages=[*_as_written(_with_overrides(progress.window, request), agent), *_reminder(progress)],
        tools=_offer(progress),
        settings=_settings(agent),
        tool_choice=_tool_choice(progress),
        context_window=0 if request.override_model else agent.context_window,
        agent_id=agent.id,
        run_id=run.id,
        step_id=progress.step_id,
    )


def _as_written(window: Sequence[Message], agent: TurnAgent) -> Sequence[Message]:
    return list(map(with_thoughts_in_calls, window)) if agent.thinks_aloud else window


def _offer(progress: Progress) -> list[ToolDefinition]:
    """The tools that may be called next; all where none may, as providers want to know those that were called.

    What the rules demand comes first: weak models that have to call something take what they see first, and would take
    the same again and again.
    """
    demanded = progress.demanded
    offered = sorted((progress.offered or progress.tools).values(), key=lambda tool: tool.name not in demanded)
    if progress.agent.acts_by_calls:
        offered = [tool if progress.rules.ends_turn([tool.name]) else with_heartbeat(tool) for tool in offered]
    if progress.agent.thinks_aloud:
        offered = list(map(with_thinking, offered))
    return [_narrow(tool, progress.rules.arguments(tool.name, progress.settled)) for tool in offered]


def _tool_choice(progress: Progress) -> ToolChoice:
    if progress.tools and not progress.offered:
        return "none"
    insists = progress.must_call or bool(progress.tools and progress.agent.acts_by_calls)
    return "required" if insists else "auto"


def _settings(agent: TurnAgent) -> ModelSettings:
    """How the model is asked: older types make one call at a time."""
    if not agent.acts_by_calls:
        return agent.settings
    settings = ModelSettings()
    settings.CopyFrom(agent.settings)
    settings.parallel_tool_calls = False
    return settings


def _narrow(tool: ToolDefinition, arguments: Mapping[str, Any]) -> ToolDefinition:
    """The tool with these arguments fixed."""
    if not arguments:
        return tool
    schema = read_schema(tool)
    fixed = {name: {"const": value} for name, value in arguments.items()}
    properties = schema.get("properties", {})
    schema["properties"] = {name: {**about, **fixed.pop(name, {})} for name, about in properties.items()} | fixed
    schema["required"] = list(dict.fromkeys([*schema.get("required", ()), *arguments]))
    return with_schema(tool, schema)


def _reminder(progress: Progress) -> list[Message]:
    """For a model that has ended its answer although a tool has to be called; for this prompt only."""
    last = progress.window[-1] if progress.window else None
    if last is None or last.role != ROLE_ASSISTANT or not last.model or tool_calls(last) or not progress.must_call:
        return []
    text = f"You are not done yet. Call one of these tools: {', '.join(sorted(progress.demanded))}."
    return [Message(role=ROLE_USER, parts=[Part(text=text)])]


def _with_overrides(window: Sequence[Message], request: RunRequest) -> Sequence[Message]:
    if not window or not (request.override_system or request.client_skills):
        return window
    system = Message()
    system.CopyFrom(window[0])
    if request.override_system:
        del system.parts[:]
        system.parts.append(Part(text=request.override_system))
    if request.client_skills:
        system.parts.append(Part(text=_describe(request.client_skills)))
    return [system, *window[1:]]


def _describe(skills: Sequence[Skill]) -> str:
    lines = [f"- {skill.name} ({skill.location}): {skill.description}" for skill in skills]
    return "\n".join(("\n<skills>", "The client offers these skills:", *lines, "</skills>"))
