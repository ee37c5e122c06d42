"""What is known of models whose provider's list says little: sizes in tokens, whether they reason, whether they see.

Sources: https://platform.openai.com/docs/models, https://platform.claude.com/docs/en/about-claude/models/overview,
https://ai.google.dev/gemini-api/docs/models, https://docs.z.ai/guides/overview/overview. What a provider's list says
itself comes first. A row is for the model of its name and for its variants (`gpt-4o-2024-11-20`, `gpt-5-mini`).
"""

import re
from dataclasses import dataclass

_VARIANT = re.compile(r"(-(mini|nano|pro|turbo|codex|chat|latest|preview|lite|air|x|v|\d[\d.]*v?))*")


@dataclass(frozen=True)
class KnownModel:
    """A family of models. `context_window` counts what a prompt may have where the vendor bounds it on its own."""

    name: str
    context_window: int
    output_limit: int
    reasoning: bool = False
    vision: bool = True
    chooses_thinking: bool = False


_MODELS: dict[str, tuple[KnownModel, ...]] = {
    "openai": (
        KnownModel("gpt-3.5", 16_385, 4_096, vision=False),
        KnownModel("gpt-4", 8_192, 8_192, vision=False),
        KnownModel("gpt-4-turbo", 128_000, 4_096),
        KnownModel("gpt-4o", 128_000, 16_384),
        KnownModel("gpt-4.1", 1_047_576, 32_768),
        KnownModel("gpt-5", 272_000, 128_000, reasoning=True),
        KnownModel("gpt-5-chat", 128_000, 16_384),
        KnownModel("o1", 200_000, 100_000, reasoning=True),
        KnownModel("o3", 200_000, 100_000, reasoning=True),
        KnownModel("o3-mini", 200_000, 100_000, reasoning=True, vision=False),
        KnownModel("o4", 200_000, 100_000, reasoning=True),
    ),
    "anthropic": (
        KnownModel("claude-3-haiku", 200_000, 4_096),
        KnownModel("claude-3-5-haiku", 200_000, 8_192),
        KnownModel("claude-3-5-sonnet", 200_000, 8_192),
        KnownModel("claude-3-7-sonnet", 200_000, 64_000, reasoning=True),
        KnownModel("claude-haiku-4", 200_000, 64_000, reasoning=True),
        KnownModel("claude-sonnet-4", 200_000, 64_000, reasoning=True),
        KnownModel("claude-opus-4", 200_000, 32_000, reasoning=True),
        KnownModel("claude-opus-4-5", 200_000, 64_000, reasoning=True),
        KnownModel("claude-opus-4-6", 200_000, 64_000, reasoning=True),
        KnownModel("claude-opus-4-7", 1_000_000, 128_000, reasoning=True, chooses_thinking=True),
        KnownModel("claude-opus-4-8", 1_000_000, 128_000, reasoning=True, chooses_thinking=True),
    ),
    "google_ai": (
        KnownModel("gemini-2.0-flash", 1_048_576, 8_192),
        KnownModel("gemini-2.5-pro", 1_048_576, 65_536, reasoning=True),
        KnownModel("gemini-2.5-flash", 1_048_576, 65_536, reasoning=True),
        KnownModel("gemini-3-pro", 1_048_576, 65_536, reasoning=True),
        KnownModel("gemini-3-flash", 1_048_576, 65_536, reasoning=True),
        KnownModel("gemini-3.1-pro", 1_048_576, 65_536, reasoning=True),
    ),
    "zai": (
        KnownModel("glm-4.5", 128_000, 98_304, reasoning=True, vision=False),
        KnownModel("glm-4.5v", 64_000, 16_384, reasoning=True),
        KnownModel("glm-4.6", 200_000, 131_072, reasoning=True, vision=False),
        KnownModel("glm-4.7", 200_000, 131_072, reasoning=True, vision=False),
        KnownModel("glm-5", 200_000, 131_072, reasoning=True, vision=False),
        KnownModel("glm-4.6v", 128_000, 32_768, reasoning=True),
    ),
    "deepseek": (
        KnownModel("deepseek-chat", 128_000, 8_192, vision=False),
        KnownModel("deepseek-reasoner", 128_000, 65_536, reasoning=True, vision=False),
    ),
}

# What a vendor's newer models are taken for until its list or this table says more.
_NEWER = {
    "openai": KnownModel("gpt", 272_000, 128_000, reasoning=True),
    "anthropic": KnownModel("claude", 200_000, 64_000, reasoning=True, chooses_thinking=True),
    "google_ai": KnownModel("gemini", 1_048_576, 65_536, reasoning=True),
    "zai": KnownModel("glm", 200_000, 131_072, reasoning=True, vision=False),
}

# https://platform.openai.com/docs/guides/embeddings, https://ai.google.dev/gemini-api/docs/embeddings
EMBEDDING_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "gemini-embedding-001": 3072,
    "text-embedding-004": 768,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1024,
    "mistral-embed": 1024,
    "BAAI/bge-m3": 1024,
}


def find_known(provider_name: str, name: str) -> KnownModel | None:
    """The most specific row whose name the model's begins with; that of the vendor's newer models comes last."""
    newer = _NEWER.get(provider_name)
    rows = [*_MODELS.get(provider_name, ()), *([newer] if newer else [])]
    fitting = [row for row in rows if name.startswith(row.name)]
    return max(fitting, key=lambda row: len(row.name), default=None)


def is_known(provider_name: str, name: str) -> bool:
    """Whether the model is in the table, or a variant of one that is."""
    rows = _MODELS.get(provider_name, ())
    return any(name.startswith(row.name) and _VARIANT.fullmatch(name, len(row.name)) for row in rows)
