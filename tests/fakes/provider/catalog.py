"""The models on offer and their limits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of a family of models, in tokens."""

    window: int
    output: int


# By the beginning of the name, longer beginnings first; figures from the vendors' model pages.
_LIMITS = {
    "gpt-4.1": Limits(1_047_576, 32_768),
    "gpt-4o": Limits(128_000, 16_384),
    "gpt-4": Limits(128_000, 4_096),
    "gpt-5": Limits(272_000, 128_000),
    "chatgpt-": Limits(128_000, 16_384),
    "o1": Limits(200_000, 100_000),
    "o3": Limits(200_000, 100_000),
    "o4": Limits(200_000, 100_000),
    "claude-3-7": Limits(200_000, 64_000),
    "claude-3": Limits(200_000, 8_192),
    "claude-opus-4-1": Limits(200_000, 32_000),
    "claude-": Limits(200_000, 64_000),
    "gemini-2.0": Limits(1_048_576, 8_192),
    "gemini-": Limits(1_048_576, 65_536),
    "glm-4.5": Limits(128_000, 98_304),
    "glm-": Limits(200_000, 131_072),
}
_UNKNOWN = Limits(128_000, 16_384)

OPENAI_MODELS = (
    "gpt-4o",
    "gpt-4o-2024-11-20",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini",
    "gpt-5",
    "gpt-5-mini",
    "o3",
    "o4-mini",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
    "whisper-1",
)
LOCAL_MODELS = ("llama-3.3-70b", "qwen3-32b")
ANTHROPIC_MODELS = (
    "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5-20251001",
    "claude-opus-4-5-20251101",
    "claude-opus-4-1-20250805",
    "claude-3-7-sonnet-20250219",
)
GEMINI_MODELS = ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-3-pro-preview")
GEMINI_EMBEDDING_MODELS = ("gemini-embedding-001", "text-embedding-004")
ZAI_MODELS = ("glm-4.5", "glm-4.5-air", "glm-4.6", "glm-4.7")
EMBEDDING_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "gemini-embedding-001": 3072,
    "text-embedding-004": 768,
}


def limits(model: str) -> Limits:
    """The limits of a model."""
    return next((found for start, found in _LIMITS.items() if model.startswith(start)), _UNKNOWN)


def context_window(model: str) -> int:
    """How many tokens a prompt may have."""
    return limits(model).window


def is_reasoning_model(model: str) -> bool:
    """Whether an OpenAI model reasons, and so takes other parameters than the rest."""
    return model.startswith(("gpt-5", "o1", "o3", "o4")) and "chat" not in model
