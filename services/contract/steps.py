"""Steps: one model call of a run each, with the tool calls that followed from it."""

from typing import Literal

from pydantic import BaseModel

from services.contract.json_object import JsonObject
from services.contract.runs import CompletionTokenDetails, PromptTokenDetails
from services.contract.stop_reasons import StopReason
from services.contract.stored_messages import StoredMessage

Feedback = Literal["positive", "negative"]
StepStatus = Literal["pending", "success", "failed", "cancelled"]


class Step(BaseModel):
    """A step: its model, its tokens, and how it ended."""

    id: str
    origin: str | None = None
    organization_id: str | None = None
    provider_id: str | None = None
    run_id: str | None = None
    agent_id: str | None = None
    provider_name: str | None = None
    provider_category: str | None = None
    model: str | None = None
    model_handle: str | None = None
    model_endpoint: str | None = None
    context_window_limit: int | None = None
    completion_tokens: int | None = None
    prompt_tokens: int | None = None
    total_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    completion_tokens_details: CompletionTokenDetails | None = None
    prompt_tokens_details: PromptTokenDetails | None = None
    stop_reason: StopReason | None = None
    tags: list[str] = []
    tid: str | None = None
    trace_id: str | None = None
    request_id: str | None = None
    messages: list[StoredMessage] = []
    feedback: Feedback | None = None
    project_id: str | None = None
    error_type: str | None = None
    error_data: JsonObject | None = None
    status: StepStatus | None = "pending"


class StepMetrics(BaseModel):
    """The measurements of a step, in nanoseconds."""

    id: str
    organization_id: str | None = None
    provider_id: str | None = None
    run_id: str | None = None
    agent_id: str | None = None
    step_start_ns: int | None = None
    llm_request_start_ns: int | None = None
    llm_request_ns: int | None = None
    tool_execution_ns: int | None = None
    step_ns: int | None = None
    base_template_id: str | None = None
    template_id: str | None = None
    project_id: str | None = None
