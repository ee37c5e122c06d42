"""Models as handles resolve to them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A language model of a provider. Sizes are in tokens.

    `name` is what the provider calls it; `max_output_tokens` is the bound on an answer when the agent sets none,
    `output_limit` the largest that can be set (0: not known). `chooses_thinking` says that it decides itself how much
    to think, and takes neither a budget for it nor a temperature.
    """

    handle: str
    name: str
    provider_name: str
    provider_type: str
    endpoint: str
    context_window: int
    max_output_tokens: int
    output_limit: int = 0
    reasoning: bool = False
    vision: bool = False
    chooses_thinking: bool = False
    provider_category: str = "base"
    tier: str = ""


@dataclass(frozen=True)
class EmbeddingModel:
    """A model that turns text into vectors of `dimensions` numbers."""

    handle: str
    name: str
    provider_name: str
    provider_type: str
    endpoint: str
    dimensions: int
    chunk_size: int = 300  # tokens; the public API's default
    batch_size: int = 100  # texts per request: the least that a vendor takes (Gemini)


@dataclass(frozen=True)
class ListedModel:
    """What a provider says of one of its models; None and 0 where it says nothing."""

    name: str
    context_window: int = 0
    output_limit: int = 0
    reasoning: bool | None = None
    vision: bool | None = None
    chooses_thinking: bool | None = None
    embeds: bool = False
    dimensions: int = 0
