"""Runs and steps as the public API shows them."""

from perdure.conversation.v1.message_pb2 import Usage
from services.common.errors import InvalidArgument
from services.common.ids import is_id
from services.contract import runs as public_runs
from services.contract import steps as public_steps
from services.contract.json_object import JsonObject
from services.contract.sending import ShownAs
from services.runs.records import Run, Step
from services.runs.rest.events import known_count


class MalformedRunId(InvalidArgument):
    """A run id of another form: 400, where other malformed ids are 422."""


def check_run_id(run_id: str) -> str:
    """The id. Raises `MalformedRunId`."""
    if not is_id(run_id, "run"):
        raise MalformedRunId(f"INVALID_ARGUMENT: Invalid run ID format: {run_id}. Expected format: 'run-<uuid4>'")
    return run_id


def print_run(run: Run) -> public_runs.Run:
    """A run."""
    metadata: JsonObject = {"run_type": run.run_type}
    if run.queue_position:
        metadata["queue_position"] = run.queue_position
    if run.failure is not None:
        metadata["error"] = run.failure.detail or run.failure.message
    return public_runs.Run(
        id=run.id,
        status=run.status,
        created_at=run.created_at,
        completed_at=run.completed_at,
        agent_id=run.agent_id,
        conversation_id=None if run.conversation_id == run.agent_id else run.conversation_id,
        background=run.background,
        metadata=metadata,
        request_config=ShownAs.model_validate(run.request_config),
        stop_reason=run.stop_reason,
        callback_url=run.callback_url,
        callback_sent_at=run.callback_sent_at,
        callback_status_code=run.callback_status_code,
        callback_error=run.callback_error,
        ttft_ns=run.ttft_ns,
        total_duration_ns=run.total_duration_ns,
    )


def print_run_usage(run: Run) -> public_runs.RunUsage:
    """The tokens of a run."""
    return public_runs.RunUsage(
        completion_tokens=run.usage.completion_tokens,
        prompt_tokens=run.usage.prompt_tokens,
        total_tokens=run.usage.total_tokens,
        prompt_tokens_details=_prompt_details(run.usage),
        completion_tokens_details=_completion_details(run.usage),
    )


def print_run_metrics(run: Run) -> public_runs.RunMetrics:
    """The measurements of a run."""
    return public_runs.RunMetrics(
        id=run.id,
        organization_id=run.organization_id,
        agent_id=run.agent_id,
        run_start_ns=int(run.created_at.timestamp() * 1e9),
        run_ns=run.total_duration_ns,
        num_steps=run.steps,
        tools_used=list(run.tools_used),
    )


def print_step(step: Step) -> public_steps.Step:
    """A step."""
    usage = step.usage
    return public_steps.Step(
        id=step.id,
        organization_id=step.organization_id,
        run_id=step.run_id,
        agent_id=step.agent_id,
        provider_name=step.model.provider_name or None,
        provider_category=step.model.provider_category or None,
        model=step.model.name or None,
        model_handle=step.model.handle or None,
        model_endpoint=step.model.endpoint or None,
        context_window_limit=step.model.context_window or None,
        completion_tokens=usage.completion_tokens,
        prompt_tokens=usage.prompt_tokens,
        total_tokens=usage.total_tokens,
        cached_input_tokens=known_count(usage, "cached_input_tokens"),
        cache_write_tokens=known_count(usage, "cache_write_tokens"),
        reasoning_tokens=known_count(usage, "reasoning_tokens"),
        completion_tokens_details=_completion_details(usage),
        prompt_tokens_details=_prompt_details(usage),
        stop_reason=step.stop_reason,
        error_type=step.error_type,
        error_data={"detail": step.error_detail} if step.error_detail else None,
        status=step.status,
    )


def print_step_metrics(step: Step) -> public_steps.StepMetrics:
    """The measurements of a step."""
    return public_steps.StepMetrics(
        id=step.id,
        organization_id=step.organization_id,
        run_id=step.run_id,
        agent_id=step.agent_id,
        step_start_ns=step.step_start_ns,
        llm_request_start_ns=step.llm_request_start_ns,
        llm_request_ns=step.llm_request_ns,
        tool_execution_ns=step.tool_execution_ns,
        step_ns=step.step_ns,
    )


def _prompt_details(usage: Usage) -> public_runs.PromptTokenDetails | None:
    cached, written = known_count(usage, "cached_input_tokens"), known_count(usage, "cache_write_tokens")
    if cached is None and written is None:
        return None
    return public_runs.PromptTokenDetails(cached_tokens=cached, cache_read_tokens=cached, cache_creation_tokens=written)


def _completion_details(usage: Usage) -> public_runs.CompletionTokenDetails | None:
    reasoning = known_count(usage, "reasoning_tokens")
    return None if reasoning is None else public_runs.CompletionTokenDetails(reasoning_tokens=reasoning)
