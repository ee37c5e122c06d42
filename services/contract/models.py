"""The models that can be used, as they are listed."""

from typing import Literal

from pydantic import BaseModel

from services.contract.model_configs import (
    DEFAULT_EMBEDDING_CHUNK_SIZE,
    ProviderCategory,
)
from services.contract.model_settings import (
    Effort,
    ReasoningEffort,
    ResponseFormat,
    Verbosity,
)


class Model(BaseModel):
    """A language model, sizes in tokens. What follows `model_type` repeats the older form, see `LlmConfig`."""

    handle: str | None = None
    name: str
    display_name: str | None = None
    provider_type: str
    provider_name: str | None = None
    model_type: Literal["llm"] = "llm"
    model: str
    model_endpoint_type: str
    model_endpoint: str | None = None
    provider_category: ProviderCategory | None = None
    model_wrapper: str | None = None
    context_window: int
    put_inner_thoughts_in_kwargs: bool | None = True
    temperature: float = 0.7
    max_tokens: int | None = None
    enable_reasoner: bool = True
    reasoning_effort: ReasoningEffort | None = None
    max_reasoning_tokens: int = 0
    effort: Effort | None = None
    frequency_penalty: float | None = None
    compatibility_type: Literal["gguf", "mlx"] | None = None
    verbosity: Verbosity | None = None
    tier: str | None = None
    parallel_tool_calls: bool | None = False
    response_format: ResponseFormat | None = None
    strict: bool = False
    return_logprobs: bool = False
    top_logprobs: int | None = None
    return_token_ids: bool = False
    tool_call_parser: str | None = None
    max_context_window: int


class EmbeddingModel(BaseModel):
    """An embedding model. What follows `model_type` repeats the older form, see `EmbeddingConfig`."""

    handle: str | None = None
    name: str
    display_name: str
    provider_type: str
    provider_name: str
    model_type: Literal["embedding"] = "embedding"
    embedding_endpoint_type: str
    embedding_endpoint: str | None = None
    embedding_model: str
    embedding_dim: int
    embedding_chunk_size: int | None = DEFAULT_EMBEDDING_CHUNK_SIZE
    batch_size: int = 32
    azure_endpoint: str | None = None
    azure_version: str | None = None
    azure_deployment: str | None = None
