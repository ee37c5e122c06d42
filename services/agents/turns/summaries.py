"""Summaries of the messages that leave a context window."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, Message, Part, Role
from perdure.conversation.v1.model_pb2 import ModelSettings
from services.agents.agents.settings import to_typed
from services.agents.messages.clipping import clip_text
from services.agents.turns.transcript import split_transcript, write_transcript
from services.agents.turns.turn import TurnAgent
from services.common.errors import PerdureError
from services.contract.compaction import CompactionSettings
from services.contract.model_configs import LlmConfig

log = logging.getLogger(__name__)

MATERIAL_SHARE = 0.5  # of the model's window; prompt, earlier summary and answer need the rest
MOST_PIECES = 8  # calls of the model for one summary

_ACKNOWLEDGEMENT = "Understood. My next message will be that summary and nothing else."
_SO_FAR = "This is your summary of the part before:\n\n{summary}\n\nExtend it by what follows:\n\n{piece}"


@dataclass(frozen=True)
class Question:
    """One call of a model, without tools."""

    organization_id: str
    agent_id: str
    run_id: str
    model: str
    settings: ModelSettings
    messages: Sequence[Message]


class Models(Protocol):
    """Models of any provider."""

    async def answer(self, question: Question) -> str:
        """What a model says. Raises a `PerdureError` when it says nothing."""


@dataclass(frozen=True)
class Material:
    """What is to be summarised: the messages, for whom, and at how many tokens a character counts."""

    organization_id: str
    run_id: str
    agent: TurnAgent
    system: Message
    evicted: Sequence[Message]
    tokens_per_char: float


class Summaries:
    """Has models write summaries."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def write(self, material: Material, settings: CompactionSettings) -> str | None:
        """The summary, by the model of the settings or else the agent's own. None when no model writes one."""
        own = material.agent.model
        chosen = [own] if settings.mode.startswith("self_") else [settings.model or own, own]
        for model in dict.fromkeys(chosen):
            try:
                return await self._write_with(model, material, settings)
            except PerdureError as exc:
                log.warning("%s did not summarise for %s: %s", model, material.agent.id, exc)
        return None

    async def _write_with(self, model: str, material: Material, settings: CompactionSettings) -> str:
        """One call for each piece of the material that the model's window takes, each with the summary so far."""
        chars = int(material.agent.context_window * MATERIAL_SHARE / material.tokens_per_char)
        summary = ""
        for piece in split_transcript(write_transcript(material.evicted), chars, MOST_PIECES):
            text = _SO_FAR.format(summary=summary, piece=piece) if summary else piece
            question = Question(
                material.organization_id,
                material.agent.id,
                material.run_id,
                model,
                _typed(settings),
                _prompt(material, settings, text),
            )
            summary = await self._models.answer(question)
            if settings.clip_chars is not None:
                summary = clip_text(summary, settings.clip_chars)
        return summary


def _prompt(material: Material, settings: CompactionSettings, text: str) -> list[Message]:
    """The task, then the material. An agent that summarises for itself does so with its own system message."""
    task = settings.prompt or ""
    if not settings.mode.startswith("self_") and not settings.prompt_acknowledgement:
        return [_said(ROLE_SYSTEM, task), _said(ROLE_USER, text)]
    system = [material.system] if settings.mode.startswith("self_") else []
    if settings.prompt_acknowledgement:
        return [*system, _said(ROLE_USER, task), _said(ROLE_ASSISTANT, _ACKNOWLEDGEMENT), _said(ROLE_USER, text)]
    return [*system, _said(ROLE_USER, f"{task}\n\n{text}")]


def _said(role: Role.ValueType, text: str) -> Message:
    return Message(role=role, parts=[Part(text=text)])


def _typed(settings: CompactionSettings) -> ModelSettings:
    if settings.model_settings is None:
        return ModelSettings()
    provider = settings.model_settings.provider_type
    return to_typed(settings.model_settings, LlmConfig(model="", model_endpoint_type=provider, context_window=0))
