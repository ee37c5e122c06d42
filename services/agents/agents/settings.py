"""Settings of a model between the public form, one per provider, and the typed form, one for all."""

from typing import Any

import orjson
from pydantic import TypeAdapter

from perdure.conversation.v1.model_pb2 import ModelSettings as TypedSettings
from perdure.conversation.v1.model_pb2 import ResponseFormat as TypedFormat
from services.contract.model_configs import LlmConfig
from services.contract.model_settings import (
    AnthropicSettings,
    ChatGPTSettings,
    GoogleSettings,
    JsonSchemaFormat,
    ModelSettings,
    OpenAISettings,
    ResponseFormat,
    SGLangSettings,
    ZaiSettings,
)

any_settings: TypeAdapter[ModelSettings] = TypeAdapter(ModelSettings)


def to_typed(settings: ModelSettings, config: LlmConfig) -> TypedSettings:
    """The typed form. What only reasoning models know is left out for others."""
    reasons = config.enable_reasoner and not config.put_inner_thoughts_in_kwargs
    typed = TypedSettings(
        temperature=settings.temperature,
        max_output_tokens=settings.max_output_tokens,
        parallel_tool_calls=settings.parallel_tool_calls,
        frequency_penalty=config.frequency_penalty,
        verbosity=config.verbosity,
        strict=config.strict or None,
    )
    if reasons:
        typed.MergeFrom(_reasoning(settings))
    if config.response_format is not None:
        typed.response_format.CopyFrom(_format(config.response_format))
    return typed


def _reasoning(settings: ModelSettings) -> TypedSettings:
    match settings:
        case OpenAISettings() | SGLangSettings() | ChatGPTSettings():
            return TypedSettings(reasoning_effort=settings.reasoning.reasoning_effort)
        case AnthropicSettings():
            return TypedSettings(
                reasoning=settings.thinking.type == "enabled",
                reasoning_tokens=settings.thinking.budget_tokens,
                reasoning_effort=settings.effort,
            )
        case GoogleSettings():
            return TypedSettings(
                reasoning=settings.thinking_config.include_thoughts,
                reasoning_tokens=settings.thinking_config.thinking_budget,
            )
        case ZaiSettings():
            return TypedSettings(reasoning=settings.thinking.type == "enabled")
        case _:
            return TypedSettings()


def _format(response_format: ResponseFormat) -> TypedFormat:
    typed = TypedFormat(type=response_format.type)
    if isinstance(response_format, JsonSchemaFormat):
        typed.json_schema = orjson.dumps(response_format.json_schema).decode()
    return typed


def from_typed(typed: TypedSettings, provider_type: str) -> ModelSettings:
    """The public form for a provider. Raises pydantic's ValidationError for values that the provider does not know."""
    sent = {field.name: value for field, value in typed.ListFields()}
    names = ("temperature", "max_output_tokens", "parallel_tool_calls", "verbosity", "strict")
    public: dict[str, Any] = {name: sent[name] for name in names if name in sent}
    public["provider_type"] = provider_type
    if typed.HasField("reasoning_effort"):
        public["reasoning"] = {"reasoning_effort": typed.reasoning_effort}
        public["effort"] = typed.reasoning_effort
    if typed.HasField("reasoning"):
        kind = "enabled" if typed.reasoning else "disabled"
        budget = {"budget_tokens": typed.reasoning_tokens} if typed.HasField("reasoning_tokens") else {}
        public["thinking"] = {"type": kind, **budget}
        public["thinking_config"] = {"include_thoughts": typed.reasoning}
        if budget:
            public["thinking_config"]["thinking_budget"] = typed.reasoning_tokens
    if typed.HasField("response_format"):
        public["response_format"] = public["response_schema"] = _public_format(typed.response_format)
    return any_settings.validate_python(public)


def _public_format(typed: TypedFormat) -> dict[str, Any]:
    schema = {"json_schema": orjson.loads(typed.json_schema)} if typed.json_schema else {}
    return {"type": typed.type, **schema}
