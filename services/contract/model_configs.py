"""The older, provider-neutral form in which an agent shows its models, still accepted in place of handles."""

from typing import Literal

from pydantic import BaseModel, FiniteFloat

from services.contract.counts import Count, PositiveCount
from services.contract.model_settings import (
    Effort,
    ReasoningEffort,
    ResponseFormat,
    Verbosity,
)

DEFAULT_EMBEDDING_CHUNK_SIZE = 300  # tokens

ProviderCategory = Literal["base", "byok"]


class LlmConfig(BaseModel):
    """A language model with everything needed to call it, sizes in tokens."""

    model: str
    display_name: str | None = None
    model_endpoint_type: str
    model_endpoint: str | None = None
    provider_name: str | None = None
    provider_category: ProviderCategory | None = None
    model_wrapper: str | None = None
    context_window: PositiveCount
    put_inner_thoughts_in_kwargs: bool | None = False
    handle: str | None = None
    temperature: FiniteFloat = 1.0
    max_tokens: PositiveCount | None = None
    enable_reasoner: bool = True
    reasoning_effort: ReasoningEffort | None = None
    max_reasoning_tokens: Count = 0
    effort: Effort | None = None
    frequency_penalty: FiniteFloat | None = None
    compatibility_type: Literal["gguf", "mlx"] | None = None
    verbosity: Verbosity | None = None
    tier: str | None = None
    parallel_tool_calls: bool | None = False
    response_format: ResponseFormat | None = None
    strict: bool = False
    return_logprobs: bool = False
    top_logprobs: Count | None = None
    return_token_ids: bool = False
    tool_call_parser: str | None = None


class EmbeddingConfig(BaseModel):
    """An embedding model with everything needed to call it."""

    embedding_endpoint_type: str
    embedding_endpoint: str | None = None
    embedding_model: str
    embedding_dim: PositiveCount
    embedding_chunk_size: PositiveCount | None = DEFAULT_EMBEDDING_CHUNK_SIZE
    handle: str | None = None
    batch_size: PositiveCount = 32
    azure_endpoint: str | None = None
    azure_version: str | None = None
    azure_deployment: str | None = None
