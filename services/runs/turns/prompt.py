"""What the model is asked in a turn: the window with what holds for this request only."""

from collections.abc import Sequence

from perdure.conversation.v1.message_pb2 import Message, Part
from services.runs.records import Run, RunRequest, Skill
from services.runs.turns.model import Prompt
from services.runs.turns.progress import Progress


def build_prompt(run: Run, request: RunRequest, progress: Progress) -> Prompt:
    """The prompt of the next step."""
    agent = progress.agent
    return Prompt(
        organization_id=run.organization_id,
        model=request.override_model or agent.model,
        messages=_with_overrides(progress.window, request),
        tools=list(progress.tools.values()),
        settings=agent.settings,
        context_window=0 if request.override_model else agent.context_window,
        agent_id=agent.id,
        run_id=run.id,
        step_id=progress.step_id,
    )


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
