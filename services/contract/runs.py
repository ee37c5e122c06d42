"""Runs: one turn of an agent each."""

from typing import Literal

from pydantic import BaseModel

from services.contract.json_object import JsonObject
from services.contract.sending import ShownAs
from services.contract.stop_reasons import StopReason
from services.contract.timestamps import Timestamp

RunStatus = Literal["created", "running", "completed", "failed", "cancelled"]


class Run(BaseModel):
    """A turn: how far it is, how it ended, and what its caller asked for."""

    id: str
    status: RunStatus = "created"
    created_at: Timestamp
    completed_at: Timestamp | None = None
    agent_id: str
    conversation_id: str | None = None
    base_template_id: str | None = None
    background: bool | None = None
    metadata: JsonObject | None = None
    request_config: ShownAs | None = None
    stop_reason: StopReason | None = None
    callback_url: str | None = None
    callback_sent_at: Timestamp | None = None
    callback_status_code: int | None = None
    callback_error: str | None = None
    ttft_ns: int | None = None
    total_duration_ns: int | None = None


class PromptTokenDetails(BaseModel):
    """The part of the prompt that came from or went to the provider's cache."""

    cached_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None


class CompletionTokenDetails(BaseModel):
    """The part of the completion that was reasoning."""

    reasoning_tokens: int | None = None


class RunUsage(BaseModel):
    """The tokens of all steps of a run."""

    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptTokenDetails | None = None
    completion_tokens_details: CompletionTokenDetails | None = None


class RunMetrics(BaseModel):
    """The measurements of a run: times in nanoseconds, tools by id."""

    id: str
    organization_id: str | None = None
    agent_id: str | None = None
    project_id: str | None = None
    run_start_ns: int | None = None
    run_ns: int | None = None
    num_steps: int | None = None
    tools_used: list[str] | None = None
    template_id: str | None = None
    base_template_id: str | None = None
