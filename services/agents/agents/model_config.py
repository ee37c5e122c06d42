"""How an agent's model is configured: `llm_config` and `model_settings`, which say the same in two forms.

The provider's facts are written down with the agent, so that a turn looks nothing up.
"""

from typing import Any

from pydantic import TypeAdapter

from services.common.errors import InvalidArgument
from services.contract.agents import AgentFields, AgentType, CreateAgent
from services.contract.model_configs import LlmConfig
from services.contract.model_settings import (
    AnthropicSettings,
    ChatGPTSettings,
    GoogleSettings,
    ModelSettings,
    OpenAISettings,
    PlainSettings,
    SGLangSettings,
    ZaiSettings,
)

MAX_CONTEXT_WINDOW = 128_000  # tokens; larger windows are slow and costly, so they are only for those who ask
REASONING_BUDGET = 1024  # tokens; the least that Anthropic accepts
_BUDGETED = ("anthropic", "bedrock", "google_ai", "google_vertex")  # providers that count tokens of reasoning

_any_settings: TypeAdapter[ModelSettings] = TypeAdapter(ModelSettings)


def configure(resolved: LlmConfig, agent_type: AgentType, request: AgentFields) -> LlmConfig:
    """The configuration of a model that was just chosen, with what the request says about it.

    `resolved` has the facts of the provider; its `enable_reasoner` says whether the model can reason at all.
    Raises `InvalidArgument` for a context window larger than the model's.
    """
    can_reason = resolved.enable_reasoner
    thinks_aloud = agent_type != "letta_v1_agent" and not can_reason
    config = resolved.model_copy(
        update={
            "temperature": 1.0,
            "context_window": min(resolved.context_window, MAX_CONTEXT_WINDOW),
            "enable_reasoner": can_reason or thinks_aloud,
            "put_inner_thoughts_in_kwargs": thinks_aloud,
            "max_reasoning_tokens": _reasoning_budget(resolved),
            "verbosity": "medium" if resolved.model.startswith("gpt-5") else None,
        }
    )
    if request.context_window_limit is not None and request.context_window_limit > resolved.context_window:
        raise InvalidArgument(
            f"context_window_limit is {request.context_window_limit}, but {resolved.handle} takes at most "
            f"{resolved.context_window} tokens."
        )
    return reconfigure(config, request)


def _reasoning_budget(resolved: LlmConfig) -> int:
    return REASONING_BUDGET if resolved.enable_reasoner and resolved.model_endpoint_type in _BUDGETED else 0


def reconfigure(config: LlmConfig, request: AgentFields) -> LlmConfig:
    """The configuration with the request's settings, and its older single fields, taken over."""
    changes = _changes(request.model_settings) if request.model_settings else {}
    older = {
        "context_window": request.context_window_limit,
        "max_tokens": request.max_tokens,
        "parallel_tool_calls": request.parallel_tool_calls,
        "response_format": request.response_format,
        "enable_reasoner": False if request.reasoning is False else None,
    }
    if isinstance(request, CreateAgent):
        older["max_reasoning_tokens"] = request.max_reasoning_tokens
    changes |= {name: value for name, value in older.items() if value is not None}
    return config.model_copy(update=changes)


def _changes(settings: ModelSettings) -> dict[str, Any]:  # Any: values of every field of LlmConfig
    """What settings of any provider say about the fields of LlmConfig; a bound on the answer only if it was sent."""
    changes: dict[str, Any] = {
        "temperature": settings.temperature,
        "parallel_tool_calls": settings.parallel_tool_calls,
    }
    if "max_output_tokens" in settings.model_fields_set:
        changes["max_tokens"] = settings.max_output_tokens
    return changes | _special_changes(settings)


def _special_changes(settings: ModelSettings) -> dict[str, Any]:
    match settings:
        case OpenAISettings() | SGLangSettings():
            return {
                "reasoning_effort": settings.reasoning.reasoning_effort,
                "strict": settings.strict,
                "response_format": settings.response_format,
            }
        case AnthropicSettings():
            return {
                "enable_reasoner": settings.thinking.type == "enabled",
                "max_reasoning_tokens": settings.thinking.budget_tokens,
                "reasoning_effort": None,
                "effort": settings.effort,
                "verbosity": settings.verbosity,
                "strict": settings.strict,
                "response_format": settings.response_format,
            }
        case GoogleSettings():
            return {
                "enable_reasoner": settings.thinking_config.include_thoughts,
                "max_reasoning_tokens": settings.thinking_config.thinking_budget,
                "response_format": settings.response_schema,
            }
        case ZaiSettings():
            return {
                "enable_reasoner": settings.thinking.type == "enabled",
                "response_format": settings.response_format,
            }
        case ChatGPTSettings():
            return {"reasoning_effort": settings.reasoning.reasoning_effort}
        case PlainSettings():
            return {"response_format": settings.response_format}
        case _:
            return {}


def settings_of(config: LlmConfig, sent: ModelSettings | None, *, parallel: bool | None = None) -> ModelSettings:
    """The settings that an agent shows: those sent, where they are for its provider, else the configuration's.

    `parallel` overrides what was sent about parallel calls of tools.
    """
    if parallel is None:
        parallel = sent.parallel_tool_calls if sent is not None else True
    if sent is None or sent.provider_type != config.model_endpoint_type:
        return _any_settings.validate_python(_shown(config, parallel=parallel))
    changes = {
        "max_output_tokens": config.max_tokens or sent.max_output_tokens,
        "parallel_tool_calls": parallel,
        "response_format": config.response_format,
        "response_schema": config.response_format,
    }
    known = type(sent).model_fields
    return sent.model_copy(update={name: value for name, value in changes.items() if name in known})


def _shown(config: LlmConfig, *, parallel: bool) -> dict[str, Any]:
    """The fields of every provider's settings; each provider's model takes its own."""
    reasons = "enabled" if config.enable_reasoner else "disabled"
    budget = config.max_reasoning_tokens or REASONING_BUDGET
    least_effort = "medium" if config.model_endpoint_type == "chatgpt_oauth" else "minimal"
    shown = {
        "provider_type": config.model_endpoint_type,
        "max_output_tokens": config.max_tokens,
        "parallel_tool_calls": parallel,
        "temperature": config.temperature,
        "reasoning": {"reasoning_effort": config.reasoning_effort or least_effort},
        "thinking": {"type": reasons, "budget_tokens": budget},
        "thinking_config": {"include_thoughts": config.enable_reasoner, "thinking_budget": budget},
        "response_format": config.response_format,
        "response_schema": config.response_format,
        "verbosity": config.verbosity,
        "effort": config.effort,
        "strict": config.strict,
    }
    return {name: value for name, value in shown.items() if value is not None or name != "max_output_tokens"}
